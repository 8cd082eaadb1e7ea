"""Mistakes in the glue of a run: options, keys, folders, base releases, online loads."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

ORCHESTRATION = "tests/unit/orchestration"
KEY = f"{ORCHESTRATION}/test_version_key.py::test_what_decides_a_version_is_in_its_key"
STATE, LOADS = f"{ORCHESTRATION}/test_online_state.py", f"{ORCHESTRATION}/test_online_loads.py"
ENDS = f"{ORCHESTRATION}/test_release_assets.py"
FILL = f"{ORCHESTRATION}/test_workspace.py::TestFill"


def left_out_of_the_key(what: str, right: str, wrong: str = "") -> Mistake:
    """A version reused for another input."""
    name = f"{what} left out of a version's key"
    return Mistake(name=name, module="orchestration.defs.training", right=right, wrong=wrong, test=KEY)


IN_RUNS = [
    Mistake(
        name="the snapshots of an update taken for those of a full training",
        module="orchestration.parent_version",
        right="(since is None or since < source.since)",
        wrong="since is not None and since < source.since",
        test=f"{ORCHESTRATION}/test_update_snapshots.py::test_a_training_refuses_snapshots_that_begin_after_what_it_learns",
    ),
    left_out_of_the_key("the data", "source.sha256,\n"),
    left_out_of_the_key("the schema", "read_schema(source).to_json(),"),
    left_out_of_the_key("the moment", "source.as_of.isoformat(),"),
    left_out_of_the_key("the start of the hold-out", "source.cut.isoformat(),"),
    left_out_of_the_key("the start of the validation", "source.validation_start.isoformat(),"),
    left_out_of_the_key("the recipe", "to_json(_recipe(workspace, source)),"),
    left_out_of_the_key("the seed", "str(workspace.seed),"),
    left_out_of_the_key("the code", "code_digest(),"),
    left_out_of_the_key("the base of an update", 'f"{parent.training} of {parent.version}" if', "parent.training if"),
    left_out_of_the_key(
        "the kind of training", 'f"{parent.training} of {parent.version}" if', "str(parent.version) if"
    ),
    Mistake(
        name="a hold-out that grows with the log",
        module="training.data.split",
        right="    if asked.days:\n        cut = max(cut, _midnight(newest) - timedelta(days=asked.days - 1))\n",
        wrong="",
        test="tests/unit/training/data/test_split.py::test_the_holdout_stays_two_weeks_however_long_the_log_is",
    ),
    Mistake(
        name="a hold-out of more days than hold the newest tenth of the log",
        module="training.data.split",
        right="cut = max(cut, _midnight(newest) - timedelta(days=asked.days - 1))",
        wrong="cut = _midnight(newest) - timedelta(days=asked.days - 1)",
        test="tests/unit/training/data/test_split.py::test_days_are_the_shorter_of_themselves_and_a_tenth_of_the_events",
    ),
    Mistake(
        name="--device dropped",
        module="orchestration.defs.training",
        right="device=workspace.device,\n",
        wrong="",
        test=f"{ORCHESTRATION}/test_training.py::test_the_device_reaches_the_training",
    ),
    Mistake(
        name="a run that only its command notes",
        module="orchestration.defs.release",
        right="if not BY_ITSELF & context.run.tags.keys():",
        wrong="if False:",
        test=f"{ENDS}::test_a_run_is_noted_however_it_was_launched",
    ),
    Mistake(
        name="a night that chooses the dataset of later commands",
        module="orchestration.defs.release",
        right="if not BY_ITSELF & context.run.tags.keys():",
        wrong="if True:",
        test=f"{ENDS}::test_a_night_leaves_the_notes_that_it_repeats",
    ),
    Mistake(
        name="features of two sources in one training set",
        module="orchestration.defs.training",
        right="if item_features.source != source:",
        wrong="if False:",
        test=f"{ORCHESTRATION}/test_training.py::test_features_of_two_sources_make_no_training_set",
    ),
    Mistake(
        name="the schema left out of the name of a folder",
        module="orchestration.defs.features",
        right="found.sha256, tables.schema.to_json(), as_of.isoformat()",
        wrong="found.sha256, as_of.isoformat()",
        test=f"{ORCHESTRATION}/test_version_key.py::test_data_schema_and_moment_name_the_folder_of_what_is_derived",
    ),
    Mistake(
        name="the moment left out of the name of a folder",
        module="orchestration.defs.features",
        right="tables.schema.to_json(), as_of.isoformat()",
        wrong="tables.schema.to_json()",
        test=f"{ORCHESTRATION}/test_version_key.py::test_data_schema_and_moment_name_the_folder_of_what_is_derived",
    ),
    Mistake(
        name="the code left out of the name of a folder",
        module="orchestration.workspace",
        right="(*key, code_digest())",
        wrong="key",
        test=f"{ORCHESTRATION}/test_version_key.py::test_other_code_has_other_folders",
    ),
    Mistake(
        name="packages left out of the digest of the code",
        module="orchestration.workspace",
        right='[*code, *(f"{name}=={metadata.version(name)}" for name in COMPUTING)]',
        wrong="code",
        test=f"{ORCHESTRATION}/test_workspace.py::test_another_release_of_a_package_that_computes_is_another_code",
    ),
    Mistake(
        name="a folder named before its content is on the disk",
        module="orchestration.workspace",
        right="_flush(partial)",
        wrong="pass",
        test=f"{FILL}::test_the_content_is_on_the_disk_before_the_folder_has_its_name",
    ),
    Mistake(
        name="two processes that build one folder at once",
        module="orchestration.workspace",
        right="with FileLock(lock):",
        wrong="if True:",
        test=f"{FILL}::test_of_several_at_once_one_builds_and_the_others_wait",
    ),
    Mistake(
        name="a half-built folder gone on with",
        module="orchestration.workspace",
        right="shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed\n    partial.mkdir()",
        wrong="partial.mkdir(exist_ok=True)",
        test=f"{FILL}::test_leftovers_of_a_killed_process_are_discarded",
    ),
    Mistake(
        name="zones of a moment cut off",
        module="feature_repo.utc",
        right="time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time",
        wrong="time.replace(tzinfo=None)",
        test=f"{ORCHESTRATION}/test_workspace.py::TestWorkspace::test_moments_are_utc",
    ),
    Mistake(
        name="the gate's own baselines not measured",
        module="orchestration.options",
        right="wanted = read_policy(policy).baselines",
        wrong="wanted: set[str] = set()",
        test=f"{ORCHESTRATION}/test_workspace.py::TestBaselines::test_all_and_names_beside_those_of_the_gate",
    ),
    Mistake(
        name="tables used that failed their expectations",
        module="orchestration.defs.checks",
        right="if record.failures:",
        wrong="if False:",
        test=f"{ORCHESTRATION}/test_checks.py::test_tables_that_failed",
    ),
    Mistake(
        name="tables used that nobody validated",
        module="orchestration.defs.checks",
        right='raise RuntimeError(f"{features.folder} was never validated',
        wrong='return print(f"{features.folder} was never validated',
        test=f"{ORCHESTRATION}/test_checks.py::test_unchecked_tables_are_refused",
    ),
    Mistake(
        name="an update without a newer event",
        module="orchestration.parent_version",
        right="if source.cut <= manifest.cut:",
        wrong="if source.cut < manifest.cut:",
        test=f"{ORCHESTRATION}/test_parent_version.py::test_an_update_needs_events_after_the_release",
    ),
    Mistake(
        name="a warm start from a release that saw the validation",
        module="orchestration.parent_version",
        right="if manifest.cut > source.validation_start:",
        wrong="if manifest.cut > source.cut:",
        test=f"{ORCHESTRATION}/test_parent_version.py::test_a_warm_start_has_not_seen_the_validation_window",
    ),
    Mistake(
        name="an update by another recipe",
        module="orchestration.parent_version",
        right="if different:",
        wrong="if False:",
        test=f"{ORCHESTRATION}/test_parent_version.py::test_an_update_keeps_schema_and_recipe",
    ),
    Mistake(
        name="any folder as good as the dataset's own",
        module="orchestration.identity",
        right='same_folder=folder == (source.data or "")',
        wrong="same_folder=True",
        test=f"{ORCHESTRATION}/test_identity.py::test_a_folder_may_replace_its_events_and_another_may_not",
    ),
    Mistake(
        name="only the views of the run's own schema loaded",
        module="orchestration.online",
        right="for schema, versions in others.values():",
        wrong="for schema, versions in ():",
        test=f"{LOADS}::test_the_views_of_every_sealed_version_are_loaded",
    ),
    Mistake(
        name="withdrawn items of versions that never serve",
        module="orchestration.online",
        right="for each in sealed if may_serve(each.tags)]",
        wrong="for each in sealed]",
        test=f"{LOADS}::test_the_views_of_every_sealed_version_are_loaded",
    ),
    Mistake(
        name="deleted users left to their rows",
        module="orchestration.online",
        right="vanished = store_of(settings, own).forget_all_but(Entity.USER, read_users(source))",
        wrong="vanished = 0",
        test=f"{LOADS}::test_the_views_of_every_sealed_version_are_loaded",
    ),
    Mistake(
        name="a load that failed noted as done",
        module="orchestration.online",
        right="if not any(each.problem for each in done):",
        wrong="if True:",
        test=f"{LOADS}::test_what_could_not_be_loaded_is_tried_again_by_the_next_run",
    ),
    Mistake(
        name="--reset-online that resets nothing",
        module="orchestration.online",
        right="if state and not workspace.reset_online and",
        wrong="if state and",
        test=f"{LOADS}::test_a_second_run_on_the_same_state_loads_nothing",
    ),
    Mistake(
        name="another kept schema without a load",
        module="orchestration.online",
        right='**state, "schemas": sorted(schemas), ',
        wrong="**state, ",
        test=f"{STATE}::test_another_kept_schema_is_another_state",
    ),
    Mistake(
        name="a deleted user without a load",
        module="orchestration.online",
        right=', "users": features.source.sha256}',
        wrong="}",
        test=f"{STATE}::test_other_data_is_another_state",
    ),
    Mistake(
        name="rows that somebody changed taken for those of the load",
        module="orchestration.online",
        right="[stat.st_size, stat.st_mtime_ns]",
        wrong="[stat.st_size]",
        test=f"{STATE}::test_a_change_is_another_state",
    ),
    Mistake(
        name="a later moment without a load",
        module="orchestration.online",
        right='"as_of": str(features.source.as_of), ',
        wrong="",
        test=f"{STATE}::test_a_later_time_is_another_state",
    ),
]

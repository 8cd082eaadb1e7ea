"""Mistakes in the manifest, the proof of the index and the moves of the champion."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

RELEASE, BY_HAND = "tests/integration/test_release.py", "tests/integration/test_by_hand.py"
PROOF, CLEANING = "tests/integration/test_index_proof.py", "tests/integration/test_cleaning.py"
ONE_MOVE = "tests/integration/test_one_move.py"

IN_RELEASE = [
    Mistake(
        name="a changed manifest trusted",
        module="serving.release.manifest",
        right="if _sha256(text.encode()) != tags[MANIFEST_SHA256]:",
        wrong="if False:",
        test=f"{RELEASE}::test_a_tampered_manifest_is_refused",
    ),
    Mistake(
        name="a tag trusted against the manifest",
        module="serving.release.manifest",
        right="if manifest.verdict.outcome.value != tags.get(OUTCOME):",
        wrong="if False:",
        test=f"{RELEASE}::test_a_tag_alone_does_not_make_it_pass",
    ),
    Mistake(
        name="the manifest of another version taken",
        module="serving.release.manifest",
        right="(manifest.dataset, manifest.version) != (registry.dataset, version)",
        wrong="manifest.dataset != registry.dataset",
        test=f"{RELEASE}::test_the_manifest_of_another_version_is_refused",
    ),
    Mistake(
        name="changed files loaded",
        module="serving.release.manifest",
        right="if strange or changed:",
        wrong="if strange:",
        test=f"{RELEASE}::test_a_tampered_file_is_refused",
    ),
    Mistake(
        name="added files overlooked",
        module="serving.release.manifest",
        right="strange = sorted(present ^ set(manifest.files))",
        wrong="strange = sorted(set(manifest.files) - present)",
        test=f"{RELEASE}::test_a_tampered_file_is_refused",
    ),
    Mistake(
        name="a verdict revised",
        module="serving.release.manifest",
        right="if MANIFEST_SHA256 in tags:\n        return",
        wrong="if False:\n        return",
        test=f"{RELEASE}::test_sealing_twice_is_sealing_once",
    ),
    Mistake(
        name="a blank reason for an override",
        module="serving.release.promotion",
        right="reason is None or not reason.strip()",
        wrong="reason is None",
        test=f"{RELEASE}::test_nothing_but_a_passed_verdict_is_promoted",
    ),
    Mistake(
        name="an override that is not recorded",
        module="serving.release.promotion",
        right="registry.set_tags(version, override)",
        wrong="pass",
        test=f"{RELEASE}::test_an_override_is_recorded",
    ),
    Mistake(
        name="promoted without a look at the files",
        module="serving.release.wholeness",
        right="files = verified_files(registry.download(manifest.version), manifest)",
        wrong="files = {path.name: path.read_bytes() for path in registry.download(manifest.version).iterdir()}",
        test=f"{RELEASE}::test_a_tampered_file_is_refused",
    ),
    Mistake(
        name="programs that run code promoted",
        module="serving.release.wholeness",
        right="refuse_code(files[name], name)",
        wrong="pass",
        test=f"{RELEASE}::test_a_sealed_archive_with_a_pickle_is_refused",
    ),
    Mistake(
        name="the commit before the check that the lock is held",
        module="serving.release.promotion",
        right="    record(registry, manifest.version)\n",
        wrong="    record(registry, manifest.version)\n    registry.set_champion(manifest.version)\n",
        test="tests/integration/test_two_homes.py::test_who_lost_the_lock_moves_nothing",
    ),
    Mistake(
        name="a promotion that fails because its mirror does",
        module="serving.release.mirror",
        right="except (MilvusException, RuntimeError, LookupError, ValueError, OSError) as error:",
        wrong="except MilvusException as error:",
        test=f"{ONE_MOVE}::test_after_the_commit_nothing_is_undone",
    ),
    Mistake(
        name="a version that searches in Milvus promoted unseen",
        module="serving.release.wholeness",
        right="if settings.search == MILVUS or not manifest.collection_sha256:",
        wrong="if not manifest.collection_sha256:",
        test=f"{ONE_MOVE}::test_what_searches_in_milvus_does_not_move_while_it_is_away",
    ),
    Mistake(
        name="a cleaning stopped by a lagging alias",
        module="orchestration.cleaning",
        right="mirror_alias(settings, plan.dataset)",
        wrong="pass",
        test=f"{ONE_MOVE}::test_a_lagging_alias_does_not_stop_a_cleaning",
    ),
    Mistake(
        name="a challenger promoted over a champion it never met",
        module="serving.release.promotion",
        right="if champion not in (None, against, version):",
        wrong="if False:",
        test=f"{RELEASE}::test_a_challenger_replaces_only_the_champion_it_was_compared_with",
    ),
    Mistake(
        name="a rollback that is not recorded",
        module="serving.release.promotion",
        right="record(registry, manifest.version)",
        wrong="pass",
        test=f"{RELEASE}::test_rollback_goes_back_one_champion_at_a_time",
    ),
    Mistake(
        name="moves of the champion side by side",
        module="serving.release.promotion",
        right='"promotion.lock"',
        wrong='"other.lock"',
        test=f"{RELEASE}::test_promotions_wait_for_each_other",
    ),
    Mistake(
        name="a champion that failed served",
        module="serving.release.load",
        right="if serves:",
        wrong="if False:",
        test=f"{BY_HAND}::test_an_alias_on_a_version_that_failed_does_not_serve",
    ),
    Mistake(
        name="a collection of other content opened",
        module="serving.release.load",
        right="(info.rows, info.dim, info.fingerprint) != wanted:",
        wrong="(info.rows, info.dim) != wanted[:2]:",
        test="tests/integration/test_retrieve.py::test_only_the_judged_collection_is_searched",
    ),
    Mistake(
        name="foreign vectors opened",
        module="serving.release.index_proof",
        right="vectors_hash(items[ITEM_ID].to_list(), vectors_ND) == proof.vectors else [OTHER_VECTORS]",
        wrong="len(items) == rows else [OTHER_VECTORS]",
        test=f"{PROOF}::test_foreign_vectors_are_refused_at_load_and_promotion",
    ),
    Mistake(
        name="foreign fields promoted",
        module="serving.release.index_proof",
        right="if fingerprint(items) != items_fingerprint:",
        wrong="if False:",
        test=f"{PROOF}::test_foreign_fields_are_refused_at_promotion",
    ),
    Mistake(
        name="vectors that nobody evaluated sealed",
        module="serving.release.index_proof",
        right="np.abs(stored_ND - vectors_ND[order]).max(axis=1) > SCORE_TOLERANCE",
        wrong="np.abs(stored_ND - stored_ND).max(axis=1) > SCORE_TOLERANCE",
        test=f"{PROOF}::test_embeddings_that_were_not_evaluated_are_no_index",
    ),
    Mistake(
        name="versions behind an old champion kept for good",
        module="orchestration.cleaning",
        right="for each in registry.versions() if each.version not in kept),",
        wrong="for each in registry.versions() if each.version < min(kept)),",
        test=f"{CLEANING}::test_what_is_newer_than_an_old_champion_goes_but_for_what_is_needed_by_now",
    ),
    Mistake(
        name="collections of kept versions dropped",
        module="orchestration.cleaning",
        right="match is not None and int(match.group(1)) not in kept",
        wrong="match is not None",
        test=f"{CLEANING}::test_a_dataset_in_any_letters_is_cleaned",
    ),
    Mistake(
        name="a cleaning by a plan that is out of date",
        module="orchestration.cleaning",
        right="[each for each in planned if each in now]",
        wrong="list(planned)",
        test=f"{CLEANING}::test_what_is_newer_than_an_old_champion_goes_but_for_what_is_needed_by_now",
    ),
    Mistake(
        name="the folder of a run that has just begun cleaned away",
        module="orchestration.cleaning",
        right="if folder.parent.name == dataset:",
        wrong="if False:",
        test=f"{CLEANING}::test_what_is_newer_than_an_old_champion_goes_but_for_what_is_needed_by_now",
    ),
]

"""The lines of a run on the terminal."""

import re

import dagster as dg
import pytest

from orchestration.reporting.terminal import terminal_logger


@dg.asset
def towers(context: dg.AssetExecutionContext) -> None:
    context.log.debug("details")
    context.log.info("epoch 1")


@dg.asset_check(asset=towers, blocking=True)
def kept() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True, metadata={"reused": True})


@dg.asset(deps=[towers])
def index() -> None:
    raise ValueError("full")


@dg.asset(deps=[index])
def champion() -> None:
    raise AssertionError("unreachable")


def run(*, quiet: bool) -> None:
    job = dg.define_asset_job("job", executor_def=dg.in_process_executor)
    defs = dg.Definitions(
        assets=[towers, index, champion], asset_checks=[kept], jobs=[job], loggers={"terminal": terminal_logger}
    )
    config = {"loggers": {"terminal": {"config": {"quiet": quiet}}}}
    with pytest.raises(ValueError, match="full"):
        defs.resolve_job_def("job").execute_in_process(run_config=config)


def test_steps_messages_and_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    run(quiet=False)
    out, err = capsys.readouterr()
    assert out == ""
    timeless = re.sub(r"\d+\.\d s", "0.0 s", err)
    assert timeless.splitlines() == [
        "▸ towers", "    epoch 1", "✓ towers  0.0 s",
        "▸ towers_kept", "✓ towers_kept  0.0 s  (kept from a former run)",
        "▸ index", "✗ index",
    ]  # fmt: skip


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    run(quiet=True)
    assert capsys.readouterr() == ("", "")

"""A missing service skips a test on a laptop and fails it in the build."""

import pytest

from tests import conftest


@pytest.fixture
def _absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(conftest.SERVICES, "loopback", lambda: "it is switched off")
    monkeypatch.setitem(conftest.SERVICES, "shared-data", lambda: "it is not here")


@pytest.mark.usefixtures("_absent")
def test_a_missing_service_skips_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAILY30_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs loopback: it is switched off"):
        conftest.require("loopback")


@pytest.mark.usefixtures("_absent")
def test_a_missing_service_fails_where_all_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAILY30_REQUIRE", "all")
    with pytest.raises(pytest.fail.Exception, match=r"loopback is required .* switched off"):
        conftest.require("loopback")


@pytest.mark.usefixtures("_absent")
def test_data_no_build_can_install_only_ever_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAILY30_REQUIRE", "all")
    with pytest.raises(pytest.skip.Exception, match="it is not here"):
        conftest.require("shared-data")


def test_a_service_that_is_there_lets_the_test_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(conftest.SERVICES, "loopback", lambda: None)
    conftest.require("loopback")

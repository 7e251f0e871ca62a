"""Configuration errors name file, key and remedy, and never a value."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from deploy.configuration import REDACTED, load, redacted, write
from deploy.credentials import demo_credentials
from deploy.errors import ConfigurationError
from kis_gateway.settings import ACCOUNT_VARIABLE as ACCOUNT
from kis_gateway.settings import APP_KEY_VARIABLE as APP_KEY
from kis_gateway.settings import APP_SECRET_VARIABLE as APP_SECRET
from kis_gateway.settings import from_environment


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of a schema."""

    max_positions: int
    max_exposure: float = 0.8


class LimitsContradict(ValueError):
    """A room's own error for a contradiction; it knows key and remedy."""

    key = "limits.max_positions"
    problem = "exceeds what ceiling allows"
    remedy = "Lower max_positions."


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A schema like those of the rooms."""

    limits: Limit
    per_symbol: dict[str, Limit] = {}
    floor: int = 0
    ceiling: int = 10

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        if self.floor > self.ceiling:
            raise ValueError("floor is above ceiling")
        if self.limits.max_positions > 100:
            raise LimitsContradict


def write_yaml(folder: Path, text: str) -> Path:
    file = folder / "sample.yaml"
    file.write_text(text)
    return file


def test_a_written_configuration_reads_back_equal_with_every_default_spelled_out(
    tmp_path: Path,
) -> None:
    """The copy in a run's directory says what was in force without knowing the defaults."""
    settings = Sample(limits=Limit(max_positions=3))
    write(tmp_path / "sample.yaml", settings)
    assert load(tmp_path / "sample.yaml", Sample) == settings
    assert "max_exposure: 0.8" in (tmp_path / "sample.yaml").read_text()


@pytest.mark.parametrize(
    ("text", "key", "problem", "remedy"),
    [
        (
            "limits: {max_positions: 1, max_exposur: 2}",
            "limits.max_exposur",
            "there is no such key",
            "Did you mean max_exposure?",
        ),
        (
            "limits: {max_positions: 1}\nzzz: 1",
            "zzz",
            "there is no such key",
            "Remove it; known keys here: limits, per_symbol, floor, ceiling.",
        ),
        (
            "limits: {max_positions: 1}\nper_symbol: {'005930': {max_position: 1}}",
            "per_symbol[...].max_position",
            "there is no such key",
            "Did you mean max_positions?",
        ),
        ("limits: {}", "limits.max_positions", "the key is missing", "Add it; it has no default."),
        ("", "limits", "the key is missing", "Add it; it has no default."),
        (
            "limits: {max_positions: three}",
            "limits.max_positions",
            "expected int, got str",
            "Correct its value.",
        ),
        (
            "limits: {max_positions: 1}\nfloor: 11",
            "",
            "floor is above ceiling",
            "Change the keys so that they agree.",
        ),
        (
            "limits: {max_positions: 101}",
            "limits.max_positions",
            "exceeds what ceiling allows",
            "Lower max_positions.",
        ),
        (
            "- limits",
            "",
            "it holds no keys",
            "Write it as key: value lines, like the shipped file.",
        ),
        ("floor: 1\nfloor: 2", "floor", "stands twice, again in line 2", "Remove one of them."),
        (
            "limits: {max_positions: 1\nfloor: [",
            "",
            "it is not YAML in line 2",
            "Correct the indentation or quoting there.",
        ),
    ],
)
def test_a_refused_file_is_explained_by_key_and_remedy(
    tmp_path: Path, text: str, key: str, problem: str, remedy: str
) -> None:
    """Each way to be wrong has its own words."""
    file = write_yaml(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load(file, Sample, refusals=(LimitsContradict,))
    error = caught.value
    place = f"{file}, key {key}" if key else str(file)
    assert (error.key, error.what, error.remedy) == (key, f"{place}: {problem}", remedy)


def test_a_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    """The remedy names the file that comes with kst."""
    with pytest.raises(ConfigurationError, match=r"absent\.yaml: the file cannot be read"):
        load(tmp_path / "absent.yaml", Sample)


def test_secret_like_keys_are_hidden_wherever_they_stand() -> None:
    """The dump that goes to logs and events keeps names and drops values."""

    class Inner(msgspec.Struct):
        app_key: str
        app_secret: str
        path: str

    class Outer(msgspec.Struct):
        inner: Inner
        account_number: str

    dump = redacted(Outer(inner=Inner("k" * 36, "s" * 180, "/kis"), account_number="12345678"))
    assert dump == {
        "inner": {"app_key": REDACTED, "app_secret": REDACTED, "path": "/kis"},
        "account_number": REDACTED,
    }


def test_credentials_of_a_demo_have_the_real_lengths_and_are_new_each_time() -> None:
    """36, 180 and ten characters, in the variables that the gateway reads."""
    first, second = demo_credentials(), demo_credentials()
    assert [len(first[name]) for name in (APP_KEY, APP_SECRET, ACCOUNT)] == [36, 180, 10]
    assert all(first[name] != second[name] for name in first)
    from_environment(first, token_folder=Path("kis"))

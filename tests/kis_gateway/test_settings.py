"""Settings refuse what contradicts itself and never show a secret."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from kis_gateway.errors import SettingsError
from kis_gateway.settings import (
    DEFAULT_LIMITS,
    Environment,
    KisSettings,
    Limits,
    Secret,
    from_environment,
)

VARIABLES = {
    "KST_KIS_APP_KEY": "the-app-key",
    "KST_KIS_APP_SECRET": "the-app-secret",
    "KST_KIS_ACCOUNT": "12345678-01",
    "KST_KIS_HTS_ID": "the-login",
}


def paper(**changes: object) -> KisSettings:
    return msgspec.structs.replace(
        from_environment(VARIABLES, token_folder=Path("/tokens")), **changes
    )


def test_paper_is_the_default_and_points_at_the_official_paper_hosts() -> None:
    """Without further keys nothing can reach real money."""
    settings = paper()
    assert settings.environment is Environment.PAPER
    assert settings.rest == "https://openapivts.koreainvestment.com:29443"
    assert settings.websocket == "ws://ops.koreainvestment.com:31000/tryitout"
    assert settings.budget == Limits(
        calls_per_second=0.9,
        ledger_calls_per_second=0.9,
        order_share=0.4,
        order_interval_seconds=1.3,
        recovery_seconds=60.0,
    )


def test_ten_calls_a_second_keep_four_free_for_orders() -> None:
    """The real account's default; a new customer's three a second keep one."""
    real = DEFAULT_LIMITS[Environment.REAL]
    assert (real.places, real.data_places, real.period) == (10, 6, 1_000_000_000)
    new = Limits(calls_per_second=3.0)
    assert (new.places, new.data_places, new.period) == (3, 2, 1_000_000_000)


def test_less_than_a_call_a_second_is_one_place_for_longer() -> None:
    """0.9 a second is one call that counts for 1.11 s; nothing is left to reserve."""
    paper = DEFAULT_LIMITS[Environment.PAPER]
    assert (paper.places, paper.data_places, paper.period) == (1, 1, 1_111_111_112)


def test_the_account_is_split_into_number_and_product() -> None:
    """Eight digits and two, written with or without a dash."""
    assert (paper().account_number, paper().account_product) == ("12345678", "01")


def test_real_needs_its_second_key() -> None:
    """One wrong word in a file must not be enough to trade real money."""
    with pytest.raises(SettingsError, match="real_account_enabled is not true"):
        paper(environment=Environment.REAL)
    settings = paper(environment=Environment.REAL, real_account_enabled=True)
    assert settings.rest == "https://openapi.koreainvestment.com:9443"
    assert settings.budget.calls_per_second == 10.0


def test_the_second_key_without_the_first_is_a_contradiction() -> None:
    """Half a switch means somebody is mistaken about what runs."""
    with pytest.raises(SettingsError, match="environment is paper"):
        paper(real_account_enabled=True)


def test_a_host_of_the_other_environment_is_refused() -> None:
    """A paper key is half accepted by the real host; the mix-up must fail here."""
    with pytest.raises(SettingsError, match="host of the real environment"):
        paper(rest_url="https://openapi.koreainvestment.com:9443")
    with pytest.raises(SettingsError, match="host of the real environment"):
        paper(websocket_url="ws://ops.koreainvestment.com:21000/tryitout")


def test_plain_http_is_for_this_machine_only() -> None:
    """Credentials never cross a network in clear."""
    assert paper(rest_url="http://127.0.0.1:8080/").rest == "http://127.0.0.1:8080"
    with pytest.raises(SettingsError, match="only over https"):
        paper(rest_url="http://192.0.2.1:8080")
    with pytest.raises(SettingsError, match="must start with https://"):
        paper(rest_url="ftp://x")


@pytest.mark.parametrize(
    "account", ["87654321", "87654321012", "8765432a01", "１２３４５６７８０１"]
)
def test_an_account_is_ten_digits(account: str) -> None:
    """A mistyped account is found before the first call."""
    with pytest.raises(SettingsError, match="8 digits of the account") as caught:
        paper(account=Secret(account))
    assert account not in str(caught.value)


def test_missing_variables_are_all_named_at_once() -> None:
    """The operator learns everything that is missing from one message."""
    with pytest.raises(SettingsError, match="KST_KIS_APP_KEY, KST_KIS_HTS_ID not set"):
        from_environment(
            {**VARIABLES, "KST_KIS_APP_KEY": " ", "KST_KIS_HTS_ID": ""}, token_folder=Path("/t")
        )


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), 5_000.0])
def test_a_call_rate_must_make_sense(rate: float) -> None:
    """Zero would queue for ever, thousands would be refused by KIS."""
    with pytest.raises(SettingsError, match="calls_per_second"):
        Limits(calls_per_second=rate)


def test_no_secret_has_a_printable_form() -> None:
    """Neither repr, str, format nor the printable settings show key, secret, account or login."""
    settings = paper()
    shown = f"{settings!r} {settings} {settings.app_key} {settings.printable()}"
    for secret in ("the-app-key", "the-app-secret", "12345678", "the-login"):
        assert secret not in shown
    with pytest.raises(TypeError):
        msgspec.json.encode(settings.app_secret)


def test_token_files_of_two_keys_or_environments_differ() -> None:
    """A cache named only after the environment was once shared by two keys."""
    other_key = paper(app_key=Secret("another-key"))
    real = paper(environment=Environment.REAL, real_account_enabled=True)
    files = {paper().token_cache, other_key.token_cache, real.token_cache}
    assert len(files) == 3
    assert "the-app-key" not in str(files)

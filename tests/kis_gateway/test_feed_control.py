"""JSON texts of the WebSocket that cannot be read are shown without what they may hold."""

from __future__ import annotations

import json

import pytest

from kis_gateway.errors import MalformedFrame
from kis_gateway.feeds import feed_control

KEY, IV, LOGIN = "abcdef0123456789" * 2, "fedcba9876543210", "hts-name"
ANSWER = json.dumps(
    {
        "header": {"tr_id": "H0STCNI0", "tr_key": LOGIN, "encrypt": "N"},
        "body": {"msg_cd": "OPSP0000", "msg1": "SUBSCRIBE", "output": {"iv": IV, "key": KEY}},
    }
)


@pytest.mark.parametrize(
    "text",
    [
        ANSWER.replace('"OPSP0000"', "5"),
        ANSWER.replace('"SUBSCRIBE"', "null"),
        ANSWER.replace(f'"{KEY}"', f'["{KEY}"]'),
        ANSWER.replace('"body"', '"bodies"'),
        ANSWER[:-2],
        ANSWER[:-9],
        ANSWER[1:],
        "\ufeff" + ANSWER,
        json.dumps({"header": {}, "body": ANSWER}),
        json.dumps([json.loads(ANSWER)]),
        ANSWER.replace(": ", ":\n"),
    ],
)
def test_no_key_and_no_login_is_shown(text: str) -> None:
    """Whatever is wrong with the answer to a registration, whole or cut."""
    if text == ANSWER.replace(": ", ":\n"):
        shown = feed_control.shown(text)
    else:
        with pytest.raises(MalformedFrame) as caught:
            feed_control.read(text)
        shown = caught.value.frame + str(caught.value)
    for secret in (KEY[:8], KEY[-8:], IV[:8], LOGIN):
        assert secret not in shown


def test_shape_codes_and_messages_stay_readable() -> None:
    """What an operator needs in order to find out what KIS sent."""
    assert feed_control.shown(ANSWER.replace('"OPSP0000"', "5")) == (
        '{"header": {"tr_id": "H0STCNI0", "tr_key": ***, "encrypt": "N"}, "body": {"msg_cd": 5, '
        '"msg1": "SUBSCRIBE", "output": {"iv": ***, "key": ***}}}'
    )


def test_data_frames_are_told_from_json_texts_by_their_first_character() -> None:
    """A JSON text is one with blanks or a byte order mark before it, too."""
    assert not feed_control.is_control(b"0|H0STCNT0|001|005930^{")
    assert not feed_control.is_control(b"rubbish")
    assert feed_control.is_control(b' {"header":{}}')
    assert feed_control.is_control(("\ufeff" + ANSWER).encode())
    assert feed_control.is_control(ANSWER[1:].encode())

"""The errors of a caller that uses the exchange wrongly. A client's mistake is a ``Refused``.

ExchangeError
├── UnknownAccount         a command or view names an account that was never opened
├── AccountAlreadyOpen     an account was opened twice
├── UnlistedSymbol         the market or a view names a symbol that is not listed
├── OrderNumberReused      two commands carry the same order number
├── BookTooSmall           a book set from outside would not cover what working orders claim
├── NoSuchLevel            a circuit breaker of a level that does not exist
└── OutOfOrder             a command is older than the one before it
"""

from __future__ import annotations


class ExchangeError(Exception):
    """Base of every misuse of the exchange."""


class UnknownAccount(ExchangeError):
    """The account was never opened."""

    def __init__(self, account: str) -> None:
        super().__init__(f"account {account!r} is not open: call open_account first")
        self.account = account


class AccountAlreadyOpen(ExchangeError):
    """The account exists already."""

    def __init__(self, account: str) -> None:
        super().__init__(f"account {account!r} is already open: open each account once a session")
        self.account = account


class UnlistedSymbol(ExchangeError):
    """The symbol is not among the listings of the day."""

    def __init__(self, symbol: str) -> None:
        super().__init__(f"symbol {symbol!r} is not listed: pass its Listing when the day begins")
        self.symbol = symbol


class OrderNumberReused(ExchangeError):
    """The order number was given before; nothing happened."""

    def __init__(self, order_number: str) -> None:
        super().__init__(f"order number {order_number!r} was used before: number every command")
        self.order_number = order_number


class OutOfOrder(ExchangeError):
    """The command is older than the exchange; nothing happened."""

    def __init__(self, at: int, now: int) -> None:
        super().__init__(
            f"command at {at} ns after one at {now} ns: hand commands over in order of time"
        )
        self.at = at
        self.now = now


class BookTooSmall(ExchangeError):
    """Working orders claim more than the account is to own; nothing happened."""

    def __init__(self, account: str, what: str, wanted: int, claimed: int) -> None:
        super().__init__(
            f"account {account!r}: {what} cannot be set to {wanted}, working orders claim "
            f"{claimed}: cancel them first"
        )
        self.account = account


class NoSuchLevel(ExchangeError):
    """The circuit breaker has levels 1, 2 and 3; nothing happened."""

    def __init__(self, level: int) -> None:
        super().__init__(f"circuit breaker level {level}: expected 1, 2 or 3")
        self.level = level

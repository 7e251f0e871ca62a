"""What the KIS Open API looks like on the wire: one set of facts for both ends of the line.

The gateway reads by these tables and the simulator writes by them, so a field that one of them
spells differently cannot exist. Facts only, no behaviour: calls with their paths, TR ids,
parameters and answer fields (``calls.json``), real-time feeds with their columns and their widths
by era (``feeds.json``), answer codes and what a client must do about them (``errors.json``), order
types with their dates and markets, and the fixed-width master files (``masters.json``).

Sources: the KIS Open API documentation and samples as of November 2026 and published recordings of
live traffic (record widths, HTTP status of the refusals).
"""

from kis_gateway.protocol.calls import (
    Block,
    CallForm,
    Field,
    Kind,
    Paging,
    Parameter,
    call_form,
    call_forms,
)
from kis_gateway.protocol.codes import Action, CodeForm, code_form, code_forms
from kis_gateway.protocol.feeds import Era, FeedForm, era_on, feed_form, feed_forms
from kis_gateway.protocol.masters import MasterField, MasterForm, master_form
from kis_gateway.protocol.order_types import (
    ORDER_TYPES,
    Market,
    OrderTypeForm,
    Pricing,
    Route,
    Validity,
)

__all__ = [
    "ORDER_TYPES",
    "Action",
    "Block",
    "CallForm",
    "CodeForm",
    "Era",
    "FeedForm",
    "Field",
    "Kind",
    "Market",
    "MasterField",
    "MasterForm",
    "OrderTypeForm",
    "Paging",
    "Parameter",
    "Pricing",
    "Route",
    "Validity",
    "call_form",
    "call_forms",
    "code_form",
    "code_forms",
    "era_on",
    "feed_form",
    "feed_forms",
    "master_form",
]

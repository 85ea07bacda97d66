"""Language models: one protocol, the back-ends, and wrappers that compose.

    from opto.llm import LLM, Recorded

    model = LLM("gpt-4o")                                            # or what the environment configures: LLM()
    model([{"role": "user", "content": "Say hello."}]).choices[0].message.content
    model = Recorded("exchanges.json", model, mode="auto")           # ask once, replay from then on

Importing this package is light: a back-end loads when it is first named, and LiteLLM when it is first called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opto.lazy import lazy_names
from opto.llm.from_callable import FromCallable, as_model
from opto.llm.model import Messages, Model
from opto.llm.response import Choice, Message, Response, Usage
from opto.llm.wrapper import Wrapper

if TYPE_CHECKING:
    from opto.llm.budget import Amounts, Budget
    from opto.llm.budgeted import Budgeted
    from opto.llm.cached import Cached
    from opto.llm.environment import LLM, configured
    from opto.llm.failover import Failover
    from opto.llm.forecasting import Forecast, forecast
    from opto.llm.manual import Manual
    from opto.llm.prices import Price
    from opto.llm.rate_limited import RateLimited
    from opto.llm.rebuilt import Rebuilt
    from opto.llm.recorded import Recorded
    from opto.llm.retrying import Retrying
    from opto.llm.through_litellm import LiteLLM
    from opto.llm.totals import Totals, usage

__all__ = [
    "Amounts",
    "Budget",
    "Budgeted",
    "Cached",
    "Choice",
    "Failover",
    "Forecast",
    "FromCallable",
    "LLM",
    "LiteLLM",
    "Manual",
    "Message",
    "Messages",
    "Model",
    "Price",
    "RateLimited",
    "Rebuilt",
    "Recorded",
    "Response",
    "Retrying",
    "Totals",
    "Usage",
    "Wrapper",
    "as_model",
    "configured",
    "forecast",
    "usage",
]

_LAZY = {
    "Amounts": "budget",
    "Budget": "budget",
    "Budgeted": "budgeted",
    "Cached": "cached",
    "Failover": "failover",
    "Forecast": "forecasting",
    "LLM": "environment",
    "LiteLLM": "through_litellm",
    "Manual": "manual",
    "Price": "prices",
    "RateLimited": "rate_limited",
    "Rebuilt": "rebuilt",
    "Recorded": "recorded",
    "Retrying": "retrying",
    "Totals": "totals",
    "configured": "environment",
    "forecast": "forecasting",
    "usage": "totals",
}

__getattr__, __dir__ = lazy_names(__name__, _LAZY)

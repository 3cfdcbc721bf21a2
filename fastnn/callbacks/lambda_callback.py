"""A callback out of plain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from fastnn.callbacks.base import CALLBACKS, Callback
from fastnn.errors import InvalidTypeError, unknown_name

_HOOKS = tuple(hook for hook in vars(Callback) if hook.startswith("on_"))


class LambdaCallback(Callback):
    """Calls functions at the hooks.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable, optional
        Of ``(epoch, logs)``.
    on_train_begin, on_train_end : callable, optional
        Of ``(logs)``.
    on_train_batch_begin, on_train_batch_end : callable, optional
        Of ``(batch, logs)``; either brings the loop back to Python after each step.
    **hooks : callable
        The other hooks of ``Callback``: ``on_steps``, ``on_checkpoint``.

    Examples
    --------
    >>> LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"])).name
    'lambda'
    """

    name: ClassVar[str] = "lambda"

    def __init__(self, on_epoch_begin: Callable[..., Any] | None = None,
                 on_epoch_end: Callable[..., Any] | None = None, on_train_begin: Callable[..., Any] | None = None,
                 on_train_end: Callable[..., Any] | None = None,
                 on_train_batch_begin: Callable[..., Any] | None = None,
                 on_train_batch_end: Callable[..., Any] | None = None, **hooks: Any) -> None:  # fmt: skip
        given = {
            "on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end, "on_train_begin": on_train_begin,
            "on_train_end": on_train_end, "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end, **hooks,
        }  # fmt: skip
        for hook, function in given.items():
            if hook not in _HOOKS:
                raise unknown_name("hook", hook, _HOOKS)
            if function is None:
                continue
            if not callable(function):
                raise InvalidTypeError(f"{hook} must be a function, got {function!r}")
            setattr(self, hook, function)


CALLBACKS.register(LambdaCallback.name, LambdaCallback)

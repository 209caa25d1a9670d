"""What no client may send: the base of the public types, which FastAPI would make of a request's query or body."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, NoReturn


def resolved_signature(call: Callable[..., Any]) -> inspect.Signature:
    """The signature, its annotations resolved here, where their names are known; FastAPI would look elsewhere."""
    try:
        return inspect.signature(call, eval_str=True)
    except Exception:  # a name that is not known yet, or a text that is no annotation at all
        return inspect.signature(call)


_NAMED = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)


class _Refused:
    """Metadata of an annotation, at which pydantic refuses the type."""

    def __init__(self, owner: type[Any]) -> None:
        self.owner = owner

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> NoReturn:
        refuse(self.owner)

    def __repr__(self) -> str:
        return "never sent by a client"


class _Signature:
    """The constructor's signature, of which FastAPI can make no dependency.

    ``Depends(Identity)``, the class itself, is declared with the constructor's parameters: FastAPI would take them from
    the query, and everybody would be who they say they are. For all others nothing but one annotation is different.
    """

    def __get__(self, instance: object, owner: type[Any]) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")  # an instance that is called has the signature of its __call__
        signature = resolved_signature(owner.__init__).replace(return_annotation=inspect.Signature.empty)
        _, *parameters = signature.parameters.values()
        refused = _Refused(owner)
        if parameters and parameters[0].kind in _NAMED:
            first = parameters[0]
            # What is no type yet, pydantic would look at no sooner than the first request comes.
            known: Any = Any if isinstance(first.annotation, str) else first.annotation
            parameters[0] = first.replace(annotation=Annotated[known, refused])
        else:
            # Without a parameter, FastAPI would make one with every request, and hand it to the view.
            never = inspect.Parameter("never_sent", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[Any, refused])
            at = len(parameters) - (bool(parameters) and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD)
            parameters.insert(at, never)
        return signature.replace(parameters=parameters)


class NeverSent:
    """Base of types that are neither made of a request nor sent in a response.

    Where an application declares one to FastAPI as a parameter, a dependency, a body or a response model, the
    declaration raises a ``TypeError`` that says what to write. Without this, a client would say by itself who it is.
    """

    __signature__: Any = _Signature()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> NoReturn:
        refuse(cls)


def refuse(owner: type[Any]) -> NoReturn:
    """Say what to write in place of a type that no client may send."""
    raise TypeError(
        f"{owner.__name__} is no part of a request or a response: for the user who has signed in, write "
        "Depends(KerberosIdentity()); in a response, return what the client is to know, such as user.principal"
    )

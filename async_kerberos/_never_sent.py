"""The base of the public types: without it, FastAPI would build such objects from a request's query or body."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, NoReturn


def resolved_signature(call: Callable[..., Any]) -> inspect.Signature:
    """The signature with resolved annotations: FastAPI would look their names up in the wrong module."""
    try:
        return inspect.signature(call, eval_str=True)
    except Exception:  # an annotation names what is not defined yet, or is no annotation at all
        return inspect.signature(call)


_NAMED = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)


class _Refused:
    """Metadata of an annotation: it makes pydantic refuse the type."""

    def __init__(self, owner: type[Any]) -> None:
        self.owner = owner

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> NoReturn:
        refuse(self.owner)

    def __repr__(self) -> str:
        return "never sent by a client"


class _Signature:
    """The constructor's signature, changed so that FastAPI refuses the class as a dependency.

    For ``Depends(Identity)``, FastAPI would take the constructor's parameters from the query, and any client could
    choose its own identity. Other readers of the signature see one annotation that is different.
    """

    def __get__(self, instance: object, owner: type[Any]) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")  # so that inspect takes the signature of __call__
        signature = resolved_signature(owner.__init__).replace(return_annotation=inspect.Signature.empty)
        _, *parameters = signature.parameters.values()
        refused = _Refused(owner)
        if parameters and parameters[0].kind in _NAMED:
            first = parameters[0]
            # pydantic would not look at an annotation that is still a text before the first request comes.
            known: Any = Any if isinstance(first.annotation, str) else first.annotation
            parameters[0] = first.replace(annotation=Annotated[known, refused])
        else:
            # Without a parameter to refuse, FastAPI would build an object for each request and give it to the view.
            never = inspect.Parameter("never_sent", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[Any, refused])
            at = len(parameters) - (bool(parameters) and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD)
            parameters.insert(at, never)
        return signature.replace(parameters=parameters)


class NeverSent:
    """Base of types that are neither made of a request nor sent in a response.

    An application may declare such a type to FastAPI as a parameter, a dependency, a body or a response model. Then the
    declaration raises a ``TypeError`` that says what to write. Otherwise, a client could choose its own identity.
    """

    __signature__: Any = _Signature()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> NoReturn:
        refuse(cls)


def refuse(owner: type[Any]) -> NoReturn:
    """Raise an error that says what to write instead of this type."""
    raise TypeError(
        f"{owner.__name__} is no part of a request or a response: for the user who has signed in, write "
        "Depends(KerberosIdentity()); in a response, return what the client is to know, such as user.principal"
    )

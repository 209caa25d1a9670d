"""Whether a client without a ticket is asked for one."""

from __future__ import annotations

from collections.abc import Sequence

from .._checks import check_networks, elements
from .._never_sent import NeverSent
from .._protocol.forwarded import Network, client_address, is_within
from .._threads.waits import Waits
from ..errors import ConfigurationError
from ..reasons import Reason, Refusal
from ..request import AuthRequest
from ..rights.consult import answer_of


class NotFor(NeverSent):
    """What :func:`not_for` returns."""

    def __init__(self, user_agents: tuple[str, ...], networks: tuple[Network, ...], proxies: Sequence[Network]) -> None:
        self._user_agents = user_agents
        self._lowered = tuple(map(str.lower, user_agents))
        self._networks = networks
        self._proxies = proxies

    def __call__(self, request: AuthRequest) -> bool:
        """Whether the client is asked."""
        if self._lowered:
            agent = " ".join(request.values("user-agent")).lower()
            if any(text in agent for text in self._lowered):
                return False
        if not self._networks:
            return True
        values = request.fields.get("x-forwarded-for", ())
        address = client_address(request.peer, values, request.forwarded_for, self._proxies)
        return address is None or not is_within(address, self._networks)

    def behind(self, proxies: Sequence[Network]) -> NotFor:
        """The same where these proxies say for whom they ask."""
        return NotFor(self._user_agents, self._networks, proxies)

    def __repr__(self) -> str:
        given = {"user_agents": list(self._user_agents), "networks": list(map(str, self._networks))}
        return f"not_for({', '.join(f'{name}={value!r}' for name, value in given.items() if value)})"


def not_for(*, user_agents: Sequence[str] = (), networks: Sequence[str] = ()) -> NotFor:
    """For the option ``challenge_when``: ask all clients for a ticket but these, which could not bring one.

    Args:
        user_agents: texts that their ``User-Agent`` contains, such as ``iPhone`` or ``kube-probe/``. Case does not
            count.
        networks: their addresses, or networks. Behind proxies that ``trusted_proxies`` names, ``X-Forwarded-For`` tells
            the address. Where it is not clear, the client is asked.

    Raises:
        ConfigurationError: an argument is wrong, or both are empty.
    """
    agents: list[str] = []
    for text in elements("user_agents", user_agents, "texts"):
        if not isinstance(text, str) or not text.strip():
            raise ConfigurationError("user_agents", f"must be texts such as 'iPhone', not {text!r}")
        agents.append(text)
    checked = check_networks("networks", networks)
    if not agents and not checked:
        raise ConfigurationError("user_agents", "names nobody, and neither does networks: leave not_for() out")
    return NotFor(tuple(agents), checked, ())


class ChallengeRule:
    """The option ``challenge_when``.

    Args:
        challenge_when: the option.
        proxies: the proxies whose ``X-Forwarded-For`` is believed.

    Raises:
        ConfigurationError: it is no function.
    """

    def __init__(self, challenge_when: object, proxies: Sequence[Network]) -> None:
        if not callable(challenge_when):
            raise ConfigurationError("challenge_when", f"must be a function of the request, not {challenge_when!r}")
        self._asks = challenge_when.behind(proxies) if isinstance(challenge_when, NotFor) else challenge_when

    async def check(self, request: AuthRequest, waits: Waits) -> None:
        """Refuse a client that is not to be asked for a ticket.

        Raises:
            Refusal: NOT_ASKED. APPLICATION_FAULT: the function has failed.
        """
        if not await answer_of("challenge_when", self._asks, request.without_credentials(), waits=waits):
            raise Refusal(Reason.NOT_ASKED)

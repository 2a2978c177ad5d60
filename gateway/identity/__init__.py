"""Who is calling, what they may do, and how much of it."""

from gateway.identity.keys import ApiKey, ApiKeys, new_key
from gateway.identity.permissions import Permission, Principal, Role, authorise
from gateway.identity.pseudonyms import Pseudonyms
from gateway.identity.quotas import DailyQuotas
from gateway.identity.rates import RateLimiter
from gateway.identity.tokens import TokenIssuer, TokenVerifier

__all__ = [
    "ApiKey",
    "ApiKeys",
    "DailyQuotas",
    "Permission",
    "Principal",
    "Pseudonyms",
    "RateLimiter",
    "Role",
    "TokenIssuer",
    "TokenVerifier",
    "authorise",
    "new_key",
]

"""How far points can be trusted: failures, suspects, steadiness."""

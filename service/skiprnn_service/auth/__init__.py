"""Who calls: API keys, JSON Web Tokens and tickets. Imports errors and settings alone."""

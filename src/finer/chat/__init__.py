"""Text language models: back ends, the cache of replies, the ledger of costs, replies held to a form."""

"""From words to a plan: names looked up, partners and budgets resolved, pairs that cannot work refused."""

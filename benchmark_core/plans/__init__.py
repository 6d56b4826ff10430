"""Plans: resolve names and numbers, apply budgets, and refuse combinations that cannot work."""

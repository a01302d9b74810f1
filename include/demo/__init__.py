"""The demo: a year of real flights, the contracts that come with them, and their chain of nights."""

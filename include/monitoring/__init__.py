"""How a champion does on rows that came after it: profiles, the drift report, and the verdict."""

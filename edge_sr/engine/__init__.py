"""The streaming int8 engine: C99 sources, their build and binding, and the planner."""

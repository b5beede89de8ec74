"""How fast redisnb is beside what people write without it: ``python -m tests.benchmarks``."""

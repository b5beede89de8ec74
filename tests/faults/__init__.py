"""What is promised while servers, links and processes fail: ``python -m tests.faults``."""

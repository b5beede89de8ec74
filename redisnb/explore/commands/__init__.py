"""Any command of Redis: its text, what is refused, its reply and its errors."""

from redisnb.explore.commands.arguments import Argument
from redisnb.explore.commands.results import Results, error_lines
from redisnb.explore.commands.running import Request, command, run
from redisnb.explore.commands.splitting import Line, read_lines, split_words
from redisnb.explore.commands.syntax import Syntax, Term, documented, listed
from redisnb.explore.commands.variables import expression_end, substituted

__all__ = [
    "Argument",
    "Line",
    "Request",
    "Results",
    "Syntax",
    "Term",
    "command",
    "documented",
    "error_lines",
    "expression_end",
    "listed",
    "read_lines",
    "run",
    "split_words",
    "substituted",
]

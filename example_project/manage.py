#!/usr/bin/env python
"""Django's command line for the example site: ``python example_project/manage.py check``."""

import os
import sys
from pathlib import Path


def main() -> None:
    # Started as a script, Python looks beside this file; the package that it belongs to lies one folder up.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

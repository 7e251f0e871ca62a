"""``python -m deploy`` is ``kst``: how the supervisor starts services with its own interpreter."""

from deploy.cli import main

if __name__ == "__main__":
    main()

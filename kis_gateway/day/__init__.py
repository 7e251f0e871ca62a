"""A trading day: its sessions and clock, how it opens, what is listed, what is polled."""

"""Ports for servers of a run: different ones, and none that the kernel may give away meanwhile."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bus import free_ports

KERNEL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_they_are_different_and_can_be_listened_on() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))


def test_the_kernel_gives_them_to_nobody() -> None:
    if not KERNEL_RANGE.exists():
        pytest.skip("the kernel does not tell its range")
    first = int(KERNEL_RANGE.read_text(encoding="ascii").split()[0])
    if first < 20_000:
        pytest.skip(f"the kernel gives away ports from {first} on: there is no room below")
    assert max(free_ports(50)) < first

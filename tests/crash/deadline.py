"""Waits that end, and say for what they waited."""

import asyncio


async def within(seconds, what, awaitable):
    """What it gives. An inner wait that ran out is told in its own words."""
    try:
        return await asyncio.wait_for(awaitable, seconds)
    except asyncio.TimeoutError as error:
        if error.args:
            raise
        raise asyncio.TimeoutError(f"{what}: not within {seconds} s") from None

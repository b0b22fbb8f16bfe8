# SPDX-License-Identifier: GPL-2.0-only
"""asyncio at work, with nothing that waits for a clock. Deterministic, silent."""
import asyncio


async def leaf(n):
    for _ in range(n):
        await asyncio.sleep(0)
    return n


async def middle(n):
    return await leaf(n) + await leaf(1)


async def failing(n):
    await leaf(n)
    raise KeyError(n)


async def ticker(n):
    try:
        for i in range(n):
            await asyncio.sleep(0)
            yield i
    finally:
        await leaf(1)


class Lock:
    async def __aenter__(self):
        await leaf(1)
        return self

    async def __aexit__(self, *exception):
        await leaf(1)


async def producer(queue, n):
    for i in range(n):
        await queue.put(i)
    await queue.put(None)


async def consumer(queue):
    while await queue.get() is not None:
        pass


async def waiting():
    await asyncio.get_running_loop().create_future()


async def cancelled():
    task = asyncio.ensure_future(waiting())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


def later(event):
    event.set()


async def gathered():
    await asyncio.gather(middle(3), middle(5), leaf(2))
    await asyncio.gather(failing(2), leaf(1), return_exceptions=True)
    async with Lock():
        async for i in ticker(4):
            await leaf(i)
    async for _ in ticker(4):
        break
    queue = asyncio.Queue(2)
    await asyncio.gather(producer(queue, 7), consumer(queue))
    await cancelled()
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(later, event)
    await event.wait()


def main():
    for _ in range(3):
        asyncio.run(gathered())

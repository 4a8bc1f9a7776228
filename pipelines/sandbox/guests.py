"""Who uses the sandbox beside the process that started it, and so when it may end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import StreamingResponse


class Guests:
    """Counts the answers that are kept open. A guest that dies closes its connection, so none is ever forgotten."""

    def __init__(self) -> None:
        self.count = 0

    async def stay(self, request: Request) -> StreamingResponse:
        """Answers with a stream that ends when the guest hangs up."""

        async def open_end() -> AsyncIterator[bytes]:
            self.count += 1
            try:
                yield b"\n"
                while not await request.is_disconnected():
                    await asyncio.sleep(0.2)
            finally:
                self.count -= 1

        return StreamingResponse(open_end(), media_type="text/plain")

    def wait_until_none(self) -> None:
        """Returns when the last guest has gone."""
        while self.count:
            time.sleep(0.1)

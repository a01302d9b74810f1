"""In a process elsewhere: it dies once it has kept what is under way so often, each time that it came further."""

import os
import signal


def after(times: int) -> None:
    from include.elsewhere.transfer import Exchange
    from include.training import checkpoints

    checkpoints.EVERY_SECONDS = 0.0
    keep, left = Exchange.replace, times

    def counted(exchange: Exchange, address: str, data: bytes) -> None:
        nonlocal left
        keep(exchange, address, data)
        left -= 1
        if left == 0:
            os.killpg(0, signal.SIGKILL)

    Exchange.replace = counted  # type: ignore[method-assign]

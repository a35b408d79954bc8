"""The conformance driver of Python: its async face, or with ``--sync`` its sync face.

With ``--free-threaded`` the package goes the ways that it goes in a Python without a GIL; with ``--wrapped`` calls come by
guards and decorators.

Serves ``TestDriver`` on loopback, prints the address, and ends when its standard input closes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "conformance")]

if "--free-threaded" in sys.argv[1:]:
    sys._is_gil_enabled = lambda: False  # type: ignore[attr-defined]

import skidbladnir  # noqa: E402
from driver.async_face import AsyncFace  # noqa: E402
from driver.replay import Unsupported, replay  # noqa: E402
from driver.sync_face import SyncFace  # noqa: E402
from skidbladnir_conformance import test_driver_pb2 as pb  # noqa: E402

SERVICE = "skidbladnir.conformance.v1.TestDriver"
FEATURES = (
    *("circuit_breaker", "retry", "bulkhead", "timeout", "cache", "fallback"),
    *("composition", "facade", "health", "providers", "listeners", "dynamic_types"),
)


class Servicer:
    def __init__(self, *, sync: bool, wrapped: bool) -> None:
        self._sync = sync
        self._wrapped = wrapped

    def describe(self, request: pb.DescribeRequest, context: object) -> pb.DescribeResponse:
        return pb.DescribeResponse(
            language="python-sync" if self._sync else "python",
            package_version=skidbladnir.__version__,
            spec_version="1.0",
            protocol_version=1,
            features=FEATURES if self._sync else (*FEATURES, "cancel"),
            batches=True,
        )

    def replay(self, requests: Iterator[pb.ReplayRequest], context: object) -> Iterator[pb.ReplayResponse]:
        face = self._face()
        for request in requests:
            yield self._answer(request.trace, face)
        face.close()

    def replay_batches(
        self, requests: Iterator[pb.ReplayBatchesRequest], context: object
    ) -> Iterator[pb.ReplayBatchesResponse]:
        face = self._face()
        for request in requests:
            yield pb.ReplayBatchesResponse(responses=[self._answer(trace, face) for trace in request.traces])
        face.close()

    def _face(self) -> AsyncFace | SyncFace:
        return SyncFace() if self._sync else AsyncFace()

    def _answer(self, trace: pb.Trace, face: AsyncFace | SyncFace) -> pb.ReplayResponse:
        try:
            return pb.ReplayResponse(trace_id=trace.id, observation=replay(trace, face, wrapped=self._wrapped))
        except Unsupported as reason:
            return pb.ReplayResponse(trace_id=trace.id, unsupported=str(reason))


def main() -> None:
    servicer = Servicer(sync="--sync" in sys.argv[1:], wrapped="--wrapped" in sys.argv[1:])
    methods: dict[str, Any] = {
        "Describe": grpc.unary_unary_rpc_method_handler(
            servicer.describe, pb.DescribeRequest.FromString, pb.DescribeResponse.SerializeToString
        ),
        "Replay": grpc.stream_stream_rpc_method_handler(
            servicer.replay, pb.ReplayRequest.FromString, pb.ReplayResponse.SerializeToString
        ),
        "ReplayBatches": grpc.stream_stream_rpc_method_handler(
            servicer.replay_batches, pb.ReplayBatchesRequest.FromString, pb.ReplayBatchesResponse.SerializeToString
        ),
    }
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"127.0.0.1:{port}", flush=True)
    sys.stdin.buffer.read()
    server.stop(grace=None)


if __name__ == "__main__":
    main()

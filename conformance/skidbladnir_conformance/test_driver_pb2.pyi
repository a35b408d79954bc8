from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Listener(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LISTENER_UNSPECIFIED: _ClassVar[Listener]
    LISTENER_RECORDING: _ClassVar[Listener]
    LISTENER_GIVEN: _ClassVar[Listener]
    LISTENER_FAILING: _ClassVar[Listener]
    LISTENER_REMOVED: _ClassVar[Listener]
    LISTENER_LOOKING: _ClassVar[Listener]
LISTENER_UNSPECIFIED: Listener
LISTENER_RECORDING: Listener
LISTENER_GIVEN: Listener
LISTENER_FAILING: Listener
LISTENER_REMOVED: Listener
LISTENER_LOOKING: Listener

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("language", "package_version", "spec_version", "protocol_version", "features", "batches")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_VERSION_FIELD_NUMBER: _ClassVar[int]
    SPEC_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    language: str
    package_version: str
    spec_version: str
    protocol_version: int
    features: _containers.RepeatedScalarFieldContainer[str]
    batches: bool
    def __init__(self, language: _Optional[str] = ..., package_version: _Optional[str] = ..., spec_version: _Optional[str] = ..., protocol_version: _Optional[int] = ..., features: _Optional[_Iterable[str]] = ..., batches: _Optional[bool] = ...) -> None: ...

class ReplayRequest(_message.Message):
    __slots__ = ("trace",)
    TRACE_FIELD_NUMBER: _ClassVar[int]
    trace: Trace
    def __init__(self, trace: _Optional[_Union[Trace, _Mapping]] = ...) -> None: ...

class ReplayResponse(_message.Message):
    __slots__ = ("trace_id", "observation", "unsupported")
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    OBSERVATION_FIELD_NUMBER: _ClassVar[int]
    UNSUPPORTED_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    observation: Observation
    unsupported: str
    def __init__(self, trace_id: _Optional[str] = ..., observation: _Optional[_Union[Observation, _Mapping]] = ..., unsupported: _Optional[str] = ...) -> None: ...

class ReplayBatchesRequest(_message.Message):
    __slots__ = ("traces",)
    TRACES_FIELD_NUMBER: _ClassVar[int]
    traces: _containers.RepeatedCompositeFieldContainer[Trace]
    def __init__(self, traces: _Optional[_Iterable[_Union[Trace, _Mapping]]] = ...) -> None: ...

class ReplayBatchesResponse(_message.Message):
    __slots__ = ("responses",)
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    responses: _containers.RepeatedCompositeFieldContainer[ReplayResponse]
    def __init__(self, responses: _Optional[_Iterable[_Union[ReplayResponse, _Mapping]]] = ...) -> None: ...

class Trace(_message.Message):
    __slots__ = ("id", "subject", "steps", "random", "unheard", "listeners", "misfits")
    class MisfitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    RANDOM_FIELD_NUMBER: _ClassVar[int]
    UNHEARD_FIELD_NUMBER: _ClassVar[int]
    LISTENERS_FIELD_NUMBER: _ClassVar[int]
    MISFITS_FIELD_NUMBER: _ClassVar[int]
    id: str
    subject: Subject
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    random: _containers.RepeatedScalarFieldContainer[float]
    unheard: bool
    listeners: _containers.RepeatedScalarFieldContainer[Listener]
    misfits: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., subject: _Optional[_Union[Subject, _Mapping]] = ..., steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., random: _Optional[_Iterable[float]] = ..., unheard: _Optional[bool] = ..., listeners: _Optional[_Iterable[_Union[Listener, str]]] = ..., misfits: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Subject(_message.Message):
    __slots__ = ("composition", "facade", "health", "provider_file")
    COMPOSITION_FIELD_NUMBER: _ClassVar[int]
    FACADE_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FILE_FIELD_NUMBER: _ClassVar[int]
    composition: Composition
    facade: Facade
    health: HealthMonitor
    provider_file: ProviderFile
    def __init__(self, composition: _Optional[_Union[Composition, _Mapping]] = ..., facade: _Optional[_Union[Facade, _Mapping]] = ..., health: _Optional[_Union[HealthMonitor, _Mapping]] = ..., provider_file: _Optional[_Union[ProviderFile, _Mapping]] = ...) -> None: ...

class Composition(_message.Message):
    __slots__ = ("policies",)
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    policies: _containers.RepeatedCompositeFieldContainer[Policy]
    def __init__(self, policies: _Optional[_Iterable[_Union[Policy, _Mapping]]] = ...) -> None: ...

class Policy(_message.Message):
    __slots__ = ("name", "circuit_breaker", "retry", "bulkhead", "timeout", "cache", "fallback")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_BREAKER_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    BULKHEAD_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    name: str
    circuit_breaker: CircuitBreaker
    retry: Retry
    bulkhead: Bulkhead
    timeout: Timeout
    cache: Cache
    fallback: Fallback
    def __init__(self, name: _Optional[str] = ..., circuit_breaker: _Optional[_Union[CircuitBreaker, _Mapping]] = ..., retry: _Optional[_Union[Retry, _Mapping]] = ..., bulkhead: _Optional[_Union[Bulkhead, _Mapping]] = ..., timeout: _Optional[_Union[Timeout, _Mapping]] = ..., cache: _Optional[_Union[Cache, _Mapping]] = ..., fallback: _Optional[_Union[Fallback, _Mapping]] = ...) -> None: ...

class CircuitBreaker(_message.Message):
    __slots__ = ("failure_threshold", "reset_timeout_ms", "half_open_success_threshold", "half_open_max_concurrent", "window", "slow_call", "reset_timeout_backoff", "is_failure", "ignore")
    FAILURE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    RESET_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    HALF_OPEN_SUCCESS_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    HALF_OPEN_MAX_CONCURRENT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    SLOW_CALL_FIELD_NUMBER: _ClassVar[int]
    RESET_TIMEOUT_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    IS_FAILURE_FIELD_NUMBER: _ClassVar[int]
    IGNORE_FIELD_NUMBER: _ClassVar[int]
    failure_threshold: int
    reset_timeout_ms: int
    half_open_success_threshold: int
    half_open_max_concurrent: int
    window: Window
    slow_call: SlowCall
    reset_timeout_backoff: ResetTimeoutBackoff
    is_failure: Match
    ignore: Match
    def __init__(self, failure_threshold: _Optional[int] = ..., reset_timeout_ms: _Optional[int] = ..., half_open_success_threshold: _Optional[int] = ..., half_open_max_concurrent: _Optional[int] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., slow_call: _Optional[_Union[SlowCall, _Mapping]] = ..., reset_timeout_backoff: _Optional[_Union[ResetTimeoutBackoff, _Mapping]] = ..., is_failure: _Optional[_Union[Match, _Mapping]] = ..., ignore: _Optional[_Union[Match, _Mapping]] = ...) -> None: ...

class Window(_message.Message):
    __slots__ = ("kind", "size", "duration_ms", "buckets", "minimum_calls", "failure_rate")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    BUCKETS_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_CALLS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_RATE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    size: int
    duration_ms: int
    buckets: int
    minimum_calls: int
    failure_rate: float
    def __init__(self, kind: _Optional[str] = ..., size: _Optional[int] = ..., duration_ms: _Optional[int] = ..., buckets: _Optional[int] = ..., minimum_calls: _Optional[int] = ..., failure_rate: _Optional[float] = ...) -> None: ...

class SlowCall(_message.Message):
    __slots__ = ("duration_ms", "rate")
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    duration_ms: int
    rate: float
    def __init__(self, duration_ms: _Optional[int] = ..., rate: _Optional[float] = ...) -> None: ...

class ResetTimeoutBackoff(_message.Message):
    __slots__ = ("factor", "max_ms")
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    MAX_MS_FIELD_NUMBER: _ClassVar[int]
    factor: float
    max_ms: int
    def __init__(self, factor: _Optional[float] = ..., max_ms: _Optional[int] = ...) -> None: ...

class Retry(_message.Message):
    __slots__ = ("max_retries", "initial_delay_ms", "max_delay_ms", "backoff_factor", "jitter", "retryable_errors", "is_retryable", "retry_rejections", "max_retry_after_ms", "max_elapsed_ms")
    MAX_RETRIES_FIELD_NUMBER: _ClassVar[int]
    INITIAL_DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_FACTOR_FIELD_NUMBER: _ClassVar[int]
    JITTER_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_ERRORS_FIELD_NUMBER: _ClassVar[int]
    IS_RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    max_retries: int
    initial_delay_ms: int
    max_delay_ms: int
    backoff_factor: float
    jitter: str
    retryable_errors: ErrorPatterns
    is_retryable: Match
    retry_rejections: bool
    max_retry_after_ms: int
    max_elapsed_ms: int
    def __init__(self, max_retries: _Optional[int] = ..., initial_delay_ms: _Optional[int] = ..., max_delay_ms: _Optional[int] = ..., backoff_factor: _Optional[float] = ..., jitter: _Optional[str] = ..., retryable_errors: _Optional[_Union[ErrorPatterns, _Mapping]] = ..., is_retryable: _Optional[_Union[Match, _Mapping]] = ..., retry_rejections: _Optional[bool] = ..., max_retry_after_ms: _Optional[int] = ..., max_elapsed_ms: _Optional[int] = ...) -> None: ...

class ErrorPatterns(_message.Message):
    __slots__ = ("patterns",)
    PATTERNS_FIELD_NUMBER: _ClassVar[int]
    patterns: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, patterns: _Optional[_Iterable[str]] = ...) -> None: ...

class Bulkhead(_message.Message):
    __slots__ = ("max_concurrent_calls", "max_queue_size", "max_wait_ms")
    MAX_CONCURRENT_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUE_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    max_concurrent_calls: int
    max_queue_size: int
    max_wait_ms: int
    def __init__(self, max_concurrent_calls: _Optional[int] = ..., max_queue_size: _Optional[int] = ..., max_wait_ms: _Optional[int] = ...) -> None: ...

class Timeout(_message.Message):
    __slots__ = ("timeout_ms", "mode")
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    timeout_ms: int
    mode: str
    def __init__(self, timeout_ms: _Optional[int] = ..., mode: _Optional[str] = ...) -> None: ...

class Cache(_message.Message):
    __slots__ = ("ttl_ms", "stale_while_revalidate", "stale_if_error", "max_stale_ms", "max_entries")
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    STALE_WHILE_REVALIDATE_FIELD_NUMBER: _ClassVar[int]
    STALE_IF_ERROR_FIELD_NUMBER: _ClassVar[int]
    MAX_STALE_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    ttl_ms: int
    stale_while_revalidate: bool
    stale_if_error: bool
    max_stale_ms: int
    max_entries: int
    def __init__(self, ttl_ms: _Optional[int] = ..., stale_while_revalidate: _Optional[bool] = ..., stale_if_error: _Optional[bool] = ..., max_stale_ms: _Optional[int] = ..., max_entries: _Optional[int] = ...) -> None: ...

class Fallback(_message.Message):
    __slots__ = ("handler", "when")
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    handler: Script
    when: Match
    def __init__(self, handler: _Optional[_Union[Script, _Mapping]] = ..., when: _Optional[_Union[Match, _Mapping]] = ...) -> None: ...

class Match(_message.Message):
    __slots__ = ("errors", "results")
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    errors: _containers.RepeatedScalarFieldContainer[str]
    results: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, errors: _Optional[_Iterable[str]] = ..., results: _Optional[_Iterable[str]] = ...) -> None: ...

class Facade(_message.Message):
    __slots__ = ("name", "circuit_breaker", "retry", "bulkhead", "timeout", "cache", "off", "provider", "file")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_BREAKER_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    BULKHEAD_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    OFF_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    name: str
    circuit_breaker: CircuitBreaker
    retry: Retry
    bulkhead: Bulkhead
    timeout: Timeout
    cache: Cache
    off: _containers.RepeatedScalarFieldContainer[str]
    provider: str
    file: str
    def __init__(self, name: _Optional[str] = ..., circuit_breaker: _Optional[_Union[CircuitBreaker, _Mapping]] = ..., retry: _Optional[_Union[Retry, _Mapping]] = ..., bulkhead: _Optional[_Union[Bulkhead, _Mapping]] = ..., timeout: _Optional[_Union[Timeout, _Mapping]] = ..., cache: _Optional[_Union[Cache, _Mapping]] = ..., off: _Optional[_Iterable[str]] = ..., provider: _Optional[str] = ..., file: _Optional[str] = ...) -> None: ...

class HealthMonitor(_message.Message):
    __slots__ = ("providers", "checks", "circuits", "check_interval_ms", "check_timeout_ms", "degraded_response_time_ms", "degraded_failure_rate")
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    CIRCUITS_FIELD_NUMBER: _ClassVar[int]
    CHECK_INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    CHECK_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_RESPONSE_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FAILURE_RATE_FIELD_NUMBER: _ClassVar[int]
    providers: _containers.RepeatedScalarFieldContainer[str]
    checks: _containers.RepeatedCompositeFieldContainer[HealthCheck]
    circuits: _containers.RepeatedCompositeFieldContainer[Policy]
    check_interval_ms: int
    check_timeout_ms: int
    degraded_response_time_ms: int
    degraded_failure_rate: float
    def __init__(self, providers: _Optional[_Iterable[str]] = ..., checks: _Optional[_Iterable[_Union[HealthCheck, _Mapping]]] = ..., circuits: _Optional[_Iterable[_Union[Policy, _Mapping]]] = ..., check_interval_ms: _Optional[int] = ..., check_timeout_ms: _Optional[int] = ..., degraded_response_time_ms: _Optional[int] = ..., degraded_failure_rate: _Optional[float] = ...) -> None: ...

class HealthCheck(_message.Message):
    __slots__ = ("provider", "rounds")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    provider: str
    rounds: _containers.RepeatedCompositeFieldContainer[Script]
    def __init__(self, provider: _Optional[str] = ..., rounds: _Optional[_Iterable[_Union[Script, _Mapping]]] = ...) -> None: ...

class ProviderFile(_message.Message):
    __slots__ = ("file", "provider")
    FILE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    file: bytes
    provider: str
    def __init__(self, file: _Optional[bytes] = ..., provider: _Optional[str] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("call", "cancel", "advance_ms", "invalidate", "clear", "close", "force_open", "disable", "reset", "check_health", "start", "stop")
    CALL_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    ADVANCE_MS_FIELD_NUMBER: _ClassVar[int]
    INVALIDATE_FIELD_NUMBER: _ClassVar[int]
    CLEAR_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    FORCE_OPEN_FIELD_NUMBER: _ClassVar[int]
    DISABLE_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    CHECK_HEALTH_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    call: Call
    cancel: str
    advance_ms: int
    invalidate: str
    clear: Target
    close: Target
    force_open: Target
    disable: Target
    reset: Target
    check_health: Target
    start: Target
    stop: Target
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ..., cancel: _Optional[str] = ..., advance_ms: _Optional[int] = ..., invalidate: _Optional[str] = ..., clear: _Optional[_Union[Target, _Mapping]] = ..., close: _Optional[_Union[Target, _Mapping]] = ..., force_open: _Optional[_Union[Target, _Mapping]] = ..., disable: _Optional[_Union[Target, _Mapping]] = ..., reset: _Optional[_Union[Target, _Mapping]] = ..., check_health: _Optional[_Union[Target, _Mapping]] = ..., start: _Optional[_Union[Target, _Mapping]] = ..., stop: _Optional[_Union[Target, _Mapping]] = ...) -> None: ...

class Target(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: str
    def __init__(self, policy: _Optional[str] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ("id", "key", "op", "fallback", "cancelled")
    ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    id: str
    key: str
    op: _containers.RepeatedCompositeFieldContainer[Script]
    fallback: Script
    cancelled: bool
    def __init__(self, id: _Optional[str] = ..., key: _Optional[str] = ..., op: _Optional[_Iterable[_Union[Script, _Mapping]]] = ..., fallback: _Optional[_Union[Script, _Mapping]] = ..., cancelled: _Optional[bool] = ...) -> None: ...

class Script(_message.Message):
    __slots__ = ("after_ms", "ok", "error", "never", "on_cancel")
    AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    NEVER_FIELD_NUMBER: _ClassVar[int]
    ON_CANCEL_FIELD_NUMBER: _ClassVar[int]
    after_ms: int
    ok: Value
    error: Error
    never: Never
    on_cancel: OnCancel
    def __init__(self, after_ms: _Optional[int] = ..., ok: _Optional[_Union[Value, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., never: _Optional[_Union[Never, _Mapping]] = ..., on_cancel: _Optional[_Union[OnCancel, _Mapping]] = ...) -> None: ...

class Never(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OnCancel(_message.Message):
    __slots__ = ("ignore", "settle_after_ms", "ok", "error")
    IGNORE_FIELD_NUMBER: _ClassVar[int]
    SETTLE_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ignore: Ignore
    settle_after_ms: int
    ok: Value
    error: Error
    def __init__(self, ignore: _Optional[_Union[Ignore, _Mapping]] = ..., settle_after_ms: _Optional[int] = ..., ok: _Optional[_Union[Value, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class Ignore(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Value(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("message", "os_code", "http_status", "retry_after_ms", "cause")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    OS_CODE_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    message: str
    os_code: str
    http_status: int
    retry_after_ms: int
    cause: Error
    def __init__(self, message: _Optional[str] = ..., os_code: _Optional[str] = ..., http_status: _Optional[int] = ..., retry_after_ms: _Optional[int] = ..., cause: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class Observation(_message.Message):
    __slots__ = ("faults", "steps", "effective_json", "leftovers", "tied_ms")
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_JSON_FIELD_NUMBER: _ClassVar[int]
    LEFTOVERS_FIELD_NUMBER: _ClassVar[int]
    TIED_MS_FIELD_NUMBER: _ClassVar[int]
    faults: _containers.RepeatedCompositeFieldContainer[Fault]
    steps: _containers.RepeatedCompositeFieldContainer[StepObservation]
    effective_json: str
    leftovers: int
    tied_ms: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, faults: _Optional[_Iterable[_Union[Fault, _Mapping]]] = ..., steps: _Optional[_Iterable[_Union[StepObservation, _Mapping]]] = ..., effective_json: _Optional[str] = ..., leftovers: _Optional[int] = ..., tied_ms: _Optional[_Iterable[int]] = ...) -> None: ...

class Fault(_message.Message):
    __slots__ = ("code", "path", "line", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    path: str
    line: int
    message: str
    def __init__(self, code: _Optional[str] = ..., path: _Optional[str] = ..., line: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class StepObservation(_message.Message):
    __slots__ = ("now_ms", "calls", "policies", "events", "health", "running", "reported")
    NOW_MS_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    REPORTED_FIELD_NUMBER: _ClassVar[int]
    now_ms: int
    calls: _containers.RepeatedCompositeFieldContainer[CallObservation]
    policies: _containers.RepeatedCompositeFieldContainer[PolicyState]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    health: _containers.RepeatedCompositeFieldContainer[ProviderHealth]
    running: int
    reported: int
    def __init__(self, now_ms: _Optional[int] = ..., calls: _Optional[_Iterable[_Union[CallObservation, _Mapping]]] = ..., policies: _Optional[_Iterable[_Union[PolicyState, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., health: _Optional[_Iterable[_Union[ProviderHealth, _Mapping]]] = ..., running: _Optional[int] = ..., reported: _Optional[int] = ...) -> None: ...

class CallObservation(_message.Message):
    __slots__ = ("id", "starts_ms", "signals_ms", "pending", "ok", "error", "ended_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    STARTS_MS_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_MS_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ENDED_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    starts_ms: _containers.RepeatedScalarFieldContainer[int]
    signals_ms: _containers.RepeatedScalarFieldContainer[int]
    pending: Pending
    ok: Value
    error: CallError
    ended_ms: int
    def __init__(self, id: _Optional[str] = ..., starts_ms: _Optional[_Iterable[int]] = ..., signals_ms: _Optional[_Iterable[int]] = ..., pending: _Optional[_Union[Pending, _Mapping]] = ..., ok: _Optional[_Union[Value, _Mapping]] = ..., error: _Optional[_Union[CallError, _Mapping]] = ..., ended_ms: _Optional[int] = ...) -> None: ...

class Pending(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CallError(_message.Message):
    __slots__ = ("code", "message", "policy", "retry_after_ms", "same", "cause")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    SAME_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    policy: str
    retry_after_ms: int
    same: bool
    cause: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., policy: _Optional[str] = ..., retry_after_ms: _Optional[int] = ..., same: _Optional[bool] = ..., cause: _Optional[str] = ...) -> None: ...

class PolicyState(_message.Message):
    __slots__ = ("name", "circuit_breaker", "bulkhead", "cache", "facade")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_BREAKER_FIELD_NUMBER: _ClassVar[int]
    BULKHEAD_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    FACADE_FIELD_NUMBER: _ClassVar[int]
    name: str
    circuit_breaker: CircuitBreakerState
    bulkhead: BulkheadState
    cache: CacheState
    facade: FacadeStatus
    def __init__(self, name: _Optional[str] = ..., circuit_breaker: _Optional[_Union[CircuitBreakerState, _Mapping]] = ..., bulkhead: _Optional[_Union[BulkheadState, _Mapping]] = ..., cache: _Optional[_Union[CacheState, _Mapping]] = ..., facade: _Optional[_Union[FacadeStatus, _Mapping]] = ...) -> None: ...

class CircuitBreakerState(_message.Message):
    __slots__ = ("state", "failure_count", "success_count", "running_probes", "generation", "retry_after_ms", "calls", "successes", "failures", "ignored", "cancelled", "rejected", "slow")
    STATE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_COUNT_FIELD_NUMBER: _ClassVar[int]
    RUNNING_PROBES_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    SUCCESSES_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    IGNORED_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    SLOW_FIELD_NUMBER: _ClassVar[int]
    state: str
    failure_count: int
    success_count: int
    running_probes: int
    generation: int
    retry_after_ms: int
    calls: int
    successes: int
    failures: int
    ignored: int
    cancelled: int
    rejected: int
    slow: int
    def __init__(self, state: _Optional[str] = ..., failure_count: _Optional[int] = ..., success_count: _Optional[int] = ..., running_probes: _Optional[int] = ..., generation: _Optional[int] = ..., retry_after_ms: _Optional[int] = ..., calls: _Optional[int] = ..., successes: _Optional[int] = ..., failures: _Optional[int] = ..., ignored: _Optional[int] = ..., cancelled: _Optional[int] = ..., rejected: _Optional[int] = ..., slow: _Optional[int] = ...) -> None: ...

class BulkheadState(_message.Message):
    __slots__ = ("concurrent_executions", "queue_size")
    CONCURRENT_EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_SIZE_FIELD_NUMBER: _ClassVar[int]
    concurrent_executions: int
    queue_size: int
    def __init__(self, concurrent_executions: _Optional[int] = ..., queue_size: _Optional[int] = ...) -> None: ...

class CacheState(_message.Message):
    __slots__ = ("size",)
    SIZE_FIELD_NUMBER: _ClassVar[int]
    size: int
    def __init__(self, size: _Optional[int] = ...) -> None: ...

class FacadeStatus(_message.Message):
    __slots__ = ("circuit_state", "concurrent_executions", "queue_size")
    CIRCUIT_STATE_FIELD_NUMBER: _ClassVar[int]
    CONCURRENT_EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_SIZE_FIELD_NUMBER: _ClassVar[int]
    circuit_state: str
    concurrent_executions: int
    queue_size: int
    def __init__(self, circuit_state: _Optional[str] = ..., concurrent_executions: _Optional[int] = ..., queue_size: _Optional[int] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("type", "policy", "at_ms", "state", "generation", "retry_after_ms", "error", "to", "reason", "attempt", "delay_ms", "queue_size", "timeout_ms", "outcome", "key", "provider")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_SIZE_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    type: str
    policy: str
    at_ms: int
    state: str
    generation: int
    retry_after_ms: int
    error: str
    to: str
    reason: str
    attempt: int
    delay_ms: int
    queue_size: int
    timeout_ms: int
    outcome: str
    key: str
    provider: str
    def __init__(self, type: _Optional[str] = ..., policy: _Optional[str] = ..., at_ms: _Optional[int] = ..., state: _Optional[str] = ..., generation: _Optional[int] = ..., retry_after_ms: _Optional[int] = ..., error: _Optional[str] = ..., to: _Optional[str] = ..., reason: _Optional[str] = ..., attempt: _Optional[int] = ..., delay_ms: _Optional[int] = ..., queue_size: _Optional[int] = ..., timeout_ms: _Optional[int] = ..., outcome: _Optional[str] = ..., key: _Optional[str] = ..., provider: _Optional[str] = ..., **kwargs) -> None: ...

class ProviderHealth(_message.Message):
    __slots__ = ("provider", "status", "response_time_ms", "circuit_state", "failure_rate")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_STATE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_RATE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    status: str
    response_time_ms: int
    circuit_state: str
    failure_rate: float
    def __init__(self, provider: _Optional[str] = ..., status: _Optional[str] = ..., response_time_ms: _Optional[int] = ..., circuit_state: _Optional[str] = ..., failure_rate: _Optional[float] = ...) -> None: ...

"""Settings of generated requests: the same requests in each run."""

from hypothesis import HealthCheck, Phase, settings

REPRODUCIBLE = settings(
    derandomize=True,
    database=None,
    deadline=None,  # other work on the machine would fail a test by its time
    # No shrinking: each smaller request would be sent to the deployment.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)

"""How requests are generated: the same ones each time."""

from hypothesis import HealthCheck, Phase, settings

REPRODUCIBLE = settings(
    derandomize=True,
    database=None,
    deadline=None,  # other work on the machine would fail a test by its time
    # A failing request is shown as it was found: each smaller one would be asked of the deployment.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)

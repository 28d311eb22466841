"""What `make up` prints in the end: where everything is, then what the model makes of an image."""

import json
import shlex
from pathlib import Path

from tools.local.deployment import LocalDeployment
from tools.local.sample import Sample, choose_sample, classify_sample
from tools.paths import short_path


def report(
    deployment: LocalDeployment, *, model: str, demo: bool, file: Path, seconds: float
) -> None:
    """Print the summary, then try the model: whatever the model does, the summary is there.

    Args:
        deployment: what was deployed.
        model: the model's name.
        demo: whether it is the demo.
        file: where the deployment is written, with the API key.
        seconds: what the deployment took.

    Raises:
        ToolError: the API cannot be reached, or responds with an error.
    """
    sample = choose_sample(demo=demo)
    print(summary(deployment, model=model, sample=sample, file=file, seconds=seconds), flush=True)
    classify_sample(deployment, sample)


def summary(
    deployment: LocalDeployment, *, model: str, sample: Sample, file: Path, seconds: float
) -> str:
    """Return where everything is, and commands that work when they are pasted.

    Args:
        deployment: what was deployed.
        model: the model's name.
        sample: the image of the printed commands.
        file: where the deployment is written, with the API key.
        seconds: what the deployment took.
    """
    image = shlex.quote(short_path(sample.picture))
    opened = json.dumps(short_path(file), ensure_ascii=False)
    key = shlex.quote(f'import json; print(json.load(open({opened}))["api_key"])')
    return f"""
Deployed in {seconds:.0f} s.
  Model: {model}, {len(deployment.labels)} classes
  API:   {deployment.api_url}predict
  Key:   in {short_path(file)}, as "api_key" (readable by you alone)
  Page:  {deployment.page_url or "none: [web] enabled = false in config/local.toml"}
  Logs:  {short_path(Path(deployment.logs))}
  Again: make predict IMAGE={image}
  Stop:  make down

curl --noproxy '*' --data-binary @{image} \\
  -H "Content-Type: {sample.content_type}" \\
  -H "x-api-key: $(python3 -c {key})" \\
  '{deployment.api_url}predict?top_k=3'
"""

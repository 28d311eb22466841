"""The last output of `make up`: addresses and commands, then the classification of an image."""

import json
import shlex
from pathlib import Path
from urllib.parse import quote

from tools.deployment.paused import paused_note
from tools.local.deployment import LocalDeployment
from tools.local.sample import Sample, choose_sample, classify_sample
from tools.paths import short_path


def report(
    deployment: LocalDeployment,
    *,
    model: str,
    demo: bool,
    folder: Path,
    file: Path,
    seconds: float,
    paused: bool = False,
) -> None:
    """Print the summary, then classify an image; an error does not prevent the summary.

    Args:
        deployment: the deployment.
        model: the model's name.
        demo: whether the model is the demo.
        folder: the folder of its artifact.
        file: the file with the deployment's API key.
        seconds: duration of the deployment.
        paused: whether the stage is paused, so that no image can be classified.

    Raises:
        ToolError: the API cannot be reached, or responds with an error.
    """
    sample = choose_sample(demo=demo, model=folder)
    print(summary(deployment, model=model, sample=sample, file=file, seconds=seconds), flush=True)
    if paused:
        print(paused_note("local"))
        return
    classify_sample(deployment, sample)


def summary(
    deployment: LocalDeployment, *, model: str, sample: Sample, file: Path, seconds: float
) -> str:
    """Return the deployment's addresses, and commands to paste into a shell.

    Args:
        deployment: the deployment.
        model: the model's name.
        sample: the image in the commands.
        file: the file with the deployment's API key.
        seconds: duration of the deployment.
    """
    image = shlex.quote(short_path(sample.image))
    opened = json.dumps(short_path(file), ensure_ascii=False)
    page = "none: [web] enabled = false in config/local.toml"
    if deployment.page_url:
        # A fragment is sent to no server; the page keeps the key and removes it from the address.
        page = f"{deployment.page_url}#key={quote(deployment.api_key, safe='')}"
    key = shlex.quote(f'import json; print(json.load(open({opened}))["api_key"])')
    return f"""
Deployed in {seconds:.0f} s.
  Model: {model}, {len(deployment.labels)} classes
  API:   {deployment.api_url}predict
  Key:   in {short_path(file)}, as "api_key" (readable by you alone)
  Page:  {page}
  Logs:  {short_path(Path(deployment.logs))}
  Again: make predict IMAGE={image}
  Stop:  make down

curl --noproxy '*' --data-binary @{image} \\
  -H "Content-Type: {sample.content_type}" \\
  -H "x-api-key: $(python3 -c {key})" \\
  '{deployment.api_url}predict?top_k=3'
"""

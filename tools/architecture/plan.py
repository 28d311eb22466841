"""Where the drawing has what: boxes for resources of the templates, and ways between them."""

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["request", "data", "control"]


@dataclass(frozen=True, kw_only=True)
class Box:
    """A resource, or a caller that no template has.

    Attributes:
        title: its service.
        detail: what it is for; `{}` is what the drawing reads from the templates.
        x: of its left side, in pixels.
        y: of its upper side, in pixels.
        width: in pixels.
        stack: purpose of the stack that has it; None: a caller.
        type: its CloudFormation type.
        prefix: how its logical id starts.
        contains: a text in its properties.
    """

    title: str
    detail: str
    x: int
    y: int
    width: int = 112
    stack: str | None = None
    type: str = ""
    prefix: str = ""
    contains: str = ""


@dataclass(frozen=True, kw_only=True)
class Way:
    """An arrow.

    Attributes:
        start: name of a box.
        end: name of a box.
        kind: of what goes there.
        points: of its bends and its ends.
        against: whether the resource at its end uses the one at its start.
        optional: whether it is left out where the templates have no such use.
    """

    start: str
    end: str
    kind: Kind
    points: tuple[tuple[int, int], ...]
    against: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Group:
    """A stack.

    Attributes:
        purpose: of the stack.
        detail: beside its name.
        x: of its left side, in pixels.
        y: of its upper side, in pixels.
        width: in pixels.
        height: in pixels.
    """

    purpose: str
    detail: str
    x: int
    y: int
    width: int
    height: int


WIDTH: Final = 920
HEIGHT: Final = 706
BOX_HEIGHT: Final = 46

GROUPS: Final = (
    Group("web", "", 146, 20, 144, 156),
    Group("api", "", 330, 20, 272, 196),
    Group("serving", "", 642, 20, 258, 196),
    Group("monitoring", "", 20, 262, 270, 244),
    Group("storage", "{key}", 330, 262, 570, 104),
    Group("training", "", 330, 402, 570, 104),
    Group("batch", "", 330, 542, 570, 104),
)

BOXES: Final = {
    "browser": Box(title="Browser", detail="page", x=20, y=54, width=86),
    "client": Box(title="Client", detail="curl, code", x=20, y=194, width=86),
    "cdn": Box(title="CloudFront", detail="page and /api/*", x=162, y=54,
               stack="web", type="AWS::CloudFront::Distribution"),
    "page": Box(title="S3", detail="page", x=162, y=118,
                stack="web", type="AWS::S3::Bucket", prefix="Page"),
    "firewall": Box(title="WAF", detail="addresses", x=346, y=118,
                    stack="api", type="AWS::WAFv2::WebACL"),
    "api": Box(title="API Gateway", detail="key, throttle", x=346, y=54,
               stack="api", type="AWS::ApiGateway::RestApi"),
    "proxy": Box(title="Lambda", detail="proxy", x=474, y=54,
                 stack="api", type="AWS::Lambda::Function", prefix="Proxy"),
    "health": Box(title="Lambda", detail="health", x=474, y=146,
                  stack="api", type="AWS::Lambda::Function", prefix="Health"),
    "endpoint": Box(title="SageMaker", detail="{instances}", x=658, y=54, width=118,
                    stack="serving", type="AWS::SageMaker::Endpoint"),
    "scaling": Box(title="Scaling", detail="by target", x=802, y=54, width=84,
                   stack="serving", type="AWS::ApplicationAutoScaling::ScalableTarget"),
    "rollback": Box(title="Alarms", detail="roll back", x=802, y=146, width=84,
                    stack="serving", type="AWS::CloudWatch::Alarm"),
    "model": Box(title="Model", detail="ONNX, OpenVINO", x=658, y=146, width=118,
                 stack="serving", type="AWS::SageMaker::Model"),
    "alarms": Box(title="CloudWatch", detail="{alarms} alarms", x=36, y=296,
                  stack="monitoring", type="AWS::CloudWatch::Alarm"),
    "warnings": Box(title="SNS", detail="warnings", x=164, y=296,
                    stack="monitoring", type="AWS::SNS::Topic", prefix="Warning"),
    "users": Box(title="CloudWatch", detail="users affected", x=36, y=368,
                 stack="monitoring", type="AWS::CloudWatch::CompositeAlarm"),
    "urgent": Box(title="SNS", detail="alarms", x=164, y=368,
                  stack="monitoring", type="AWS::SNS::Topic", prefix="Alarm"),
    "dashboard": Box(title="Dashboard", detail="CloudWatch", x=36, y=440,
                     stack="monitoring", type="AWS::CloudWatch::Dashboard"),
    "datasets": Box(title="S3", detail="datasets", x=346, y=304,
                    stack="storage", type="AWS::S3::Bucket", prefix="BucketsDatasets"),
    "packages": Box(title="Registry", detail="model packages", x=502, y=304, width=118,
                    stack="storage", type="AWS::SageMaker::ModelPackageGroup"),
    "models": Box(title="S3", detail="models", x=658, y=304, width=118,
                  stack="storage", type="AWS::S3::Bucket", prefix="BucketsModels"),
    "captures": Box(title="S3", detail="captures", x=802, y=304, width=84,
                    stack="storage", type="AWS::S3::Bucket", prefix="BucketsCaptures"),
    "notebook": Box(title="Notebook", detail="SageMaker", x=346, y=444,
                    stack="training", type="AWS::SageMaker::NotebookInstance"),
    "workflow": Box(title="Step Functions", detail="gate, registration", x=502, y=444, width=118,
                    stack="training", type="AWS::StepFunctions::StateMachine"),
    "job": Box(title="SageMaker", detail="jobs: train, tune", x=658, y=444, width=118,
               stack="training", type="AWS::StepFunctions::StateMachine",
               contains="createTrainingJob"),
    "machine": Box(title="EC2", detail="or train", x=802, y=444, width=84,
                   stack="training", type="AWS::EC2::LaunchTemplate"),
    "batches": Box(title="Step Functions", detail="a run's job", x=502, y=584, width=118,
                   stack="batch", type="AWS::StepFunctions::StateMachine"),
    "transform": Box(title="SageMaker", detail="jobs: classify", x=658, y=584, width=118,
                     stack="batch", type="AWS::StepFunctions::StateMachine",
                     contains="createTransformJob"),
}  # fmt: skip

WAYS: Final = (
    Way(start="browser", end="cdn", kind="request", points=((106, 77), (162, 77))),
    Way(start="client", end="api", kind="request",
        points=((106, 217), (318, 217), (318, 91), (346, 91))),
    Way(start="cdn", end="page", kind="request", points=((218, 100), (218, 118))),
    Way(start="cdn", end="api", kind="request", points=((274, 69), (346, 69))),
    Way(start="firewall", end="api", kind="control", points=((402, 118), (402, 100))),
    Way(start="api", end="proxy", kind="request", points=((458, 77), (474, 77))),
    Way(start="api", end="health", kind="request",
        points=((458, 89), (466, 89), (466, 169), (474, 169))),
    Way(start="proxy", end="endpoint", kind="request", points=((586, 69), (658, 69))),
    Way(start="health", end="endpoint", kind="control",
        points=((586, 169), (622, 169), (622, 87), (658, 87))),
    Way(start="scaling", end="endpoint", kind="control", points=((802, 77), (776, 77))),
    Way(start="rollback", end="endpoint", kind="control",
        points=((802, 169), (789, 169), (789, 91), (776, 91)), against=True),
    Way(start="model", end="endpoint", kind="data", points=((717, 146), (717, 100)), against=True),
    Way(start="models", end="model", kind="data", points=((717, 304), (717, 192)), against=True),
    Way(start="endpoint", end="captures", kind="data",
        points=((776, 63), (789, 63), (789, 40), (893, 40), (893, 327), (886, 327)), optional=True),
    Way(start="alarms", end="warnings", kind="control", points=((148, 319), (164, 319))),
    Way(start="users", end="urgent", kind="control", points=((148, 391), (164, 391))),
    Way(start="datasets", end="workflow", kind="data",
        points=((402, 350), (402, 384), (540, 384), (540, 444)), against=True),
    Way(start="workflow", end="packages", kind="data", points=((576, 444), (576, 350))),
    Way(start="notebook", end="workflow", kind="control", points=((458, 467), (502, 467))),
    Way(start="workflow", end="job", kind="control", points=((620, 467), (658, 467))),
    Way(start="job", end="models", kind="data", points=((717, 444), (717, 350))),
    Way(start="machine", end="models", kind="data",
        points=((844, 444), (844, 384), (755, 384), (755, 350))),
    Way(start="batches", end="transform", kind="control", points=((620, 607), (658, 607))),
    Way(start="captures", end="transform", kind="data",
        points=((886, 339), (893, 339), (893, 607), (776, 607)), against=True),
)  # fmt: skip

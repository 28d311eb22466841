"""The CloudFront function that returns the page of 404 for files that the page does not have.

S3 would return 403 with XML, and an error response of the distribution would also replace the
API's 403 and 404.
"""

import json
from collections.abc import Iterable, Mapping

from stacks.errors import InputError

# docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
_MAX_FUNCTION_BYTES = 10 * 1024
_CODE = """\
var FILES = {files};
var PAGE = {page};
function handler(event) {{
  var uri = event.request.uri;
  if (FILES.includes(uri) || /^\\/assets\\/./.test(uri)) return event.request;
  return {{statusCode: 404, statusDescription: 'Not Found', headers: {headers}, body: PAGE}};
}}
"""


def not_found_code(files: Iterable[str], page: str, headers: Mapping[str, str]) -> str:
    """Return the code of the function, for the event `viewer-request`.

    Assets pass in any case: during a deployment the page and the function change one after the
    other, and each version of the page has assets of other names.

    Args:
        files: paths of all published files, relative to the page's root.
        page: the HTML to return for any other path. Its own addresses must be absolute, because
            it is shown at any depth.
        headers: its headers by lower-case name, content type included.

    Raises:
        InputError: the code would be larger than CloudFront takes.
    """
    code = _CODE.format(
        files=json.dumps(["/", *(f"/{name}" for name in sorted(files))]),
        page=json.dumps(" ".join(page.split())),
        headers=json.dumps({name: {"value": value} for name, value in headers.items()}),
    )
    size = len(code.encode())
    if size > _MAX_FUNCTION_BYTES:
        raise InputError(
            f"the page has too many files: the CloudFront function that lists them has {size} "
            f"bytes, expected at most {_MAX_FUNCTION_BYTES}. Remove samples or files of web/"
        )
    return code

"""The hexadecimal form of a sha256 that S3 returns in base64, in JSONata.

JSONata's own `$base64decode` returns a text, in which bytes above 127 depend on the encoding.
"""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SHA256_HEX_DIGITS = 64
# 44 characters; two of them are 12 bits, which are three hexadecimal digits. The padding "="
# becomes zeros, which are cut off.
_PAIRS = 22


def sha256_hexadecimal(base64: str) -> str:
    """Return a JSONata expression for a sha256 in 64 hexadecimal digits.

    Args:
        base64: a JSONata expression for the sha256 in base64, 44 characters.
    """
    return (
        f"( $padded := $replace({base64}, '=', 'A'); $value := function($index) "
        f"{{ $length($substringBefore('{_ALPHABET}', $substring($padded, $index, 1))) }}; "
        f"$substring($join($map([0..{_PAIRS - 1}], function($pair) "
        "{ $pad($formatBase(64 * $value(2 * $pair) + $value(2 * $pair + 1), 16), -3, '0') })), "
        f"0, {_SHA256_HEX_DIGITS}) )"
    )

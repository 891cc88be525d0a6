"""What can go wrong in the service, said so that a person can act on it.

UserError
├── PictureError            the bytes are not a picture that can be answered
│   ├── NotAPicture         no picture, or a format that is not accepted
│   ├── TruncatedPicture    a picture that breaks off or is damaged
│   ├── TooManyPixels       larger than the limit, seen before decoding
│   └── AnimatedPicture     more than one frame
└── BundleError             a model bundle is missing, damaged or of another version
    └── GoldenMismatch      it loads, but does not reproduce its golden frames
"""


class UserError(Exception):
    """An error whose text names the culprit and the way out."""


class PictureError(UserError):
    """The bytes are not a picture that can be answered."""


class NotAPicture(PictureError):
    """No picture at all, or a format that is not accepted."""


class TruncatedPicture(PictureError):
    """A picture that breaks off or is damaged."""


class TooManyPixels(PictureError):
    """A picture larger than the limit; found in its header, before anything is decoded."""


class AnimatedPicture(PictureError):
    """A picture of more than one frame."""


class BundleError(UserError):
    """A model bundle is missing, damaged or of a version that this service does not know."""


class GoldenMismatch(BundleError):
    """A bundle that loads but does not reproduce the answers of its golden frames."""

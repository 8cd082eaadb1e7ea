"""Page on a version beside the champion."""

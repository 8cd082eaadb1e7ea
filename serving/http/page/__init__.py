"""The page of the service at `/`: templates, one style sheet, one vendored htmx 2.0.11.

All that it shows is in its address: the user, the session and the filter. So it works
without a script too, and nothing is kept between two requests.
"""

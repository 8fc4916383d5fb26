"""The HTTP service: `radloom serve`. Reports, drawings and answers over HTTP, with one queue before the model.

A request passes `guard` (names, token, limits, places), `uploads` (its pictures, in memory alone) and `app` (its
route), waits in `queue`, and is worked on by a `worker` together with others of its kind, as `tasks` says. The web page
of all that is plain files in `page/`, which `pages` gives.
"""

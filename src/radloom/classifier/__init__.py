"""The clinical network: 14 observations and the view of an X-ray, features, gradients."""

"""An xxl-job executor for Flask applications."""

"""One module for each CRM that the sandbox emulates; `pipelines.sandbox` says how to add one."""

"""One module for each contract, or part of one; `pipelines.service.app` says what each may have."""

"""CRMs emulated on loopback, so that everything can be tried and tested without an account anywhere.

One process serves all of them, each under its own name (`http://127.0.0.1:<port>/brivity/v1/contacts`). They share a seeded
world of one brokerage (`world`) and each holds its own overlapping, ageing, badly typed copy of it (`copies`).

    with start(data_dir, crms=["brivity"]) as sandbox:           # a child process; ends with its parent
        os.environ.update(sandbox.environment("brivity"))        # base URL and credentials of the connection
        sandbox.admin("POST", "brivity/faults", {"kind": "truncate", "count": 1})

    sandbox = app(None, ["brivity"], size=20)                    # in this process, in memory: for property tests
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=sandbox), base_url="http://sandbox/brivity/v1")
    sandbox.crm("brivity").edit(record, {"company": "Acme"})     # what a user of the CRM does meanwhile

How to add a CRM
    Write `crms/<crm>.py` with one class `Emulator(Crm)`, from the CRM's own documentation and never from our mapping. The
    registry finds it by its file name; nothing else is registered anywhere. A large one may be a package
    `crms/<crm>/__init__.py`; helpers of several CRMs are modules with an underscore before the name (`crms/_odata.py`).
    The class says:

    name            as the file is named
    routes()        `[Route("GET", "/v2/contacts/{id}", self.read), ...]`; paths as below the mount; `public=True` for the
                    token endpoint; `{rest:path}` takes slashes. A handler takes a `Call` and returns a `Response`, usually
                    `answer(body, status, headers)`; it may raise `Refused(response)`, which undoes what it wrote. Handlers
                    run one after the other and are committed before the answer is sent, so they need no locks.
    authorize(call) raises `Refused(...)` or sets `call.client`; `self.tokens.issue/grant` are tokens that expire by
                    `self.clock` (the fault "expire" withdraws them)
    seed()          yields `Record(entity, id, body, created, modified, truth=...)` made from `self.copy.contacts()`,
                    `.deals()`, `.properties()`, `.users()`: the body exactly as the CRM sends it. Make ids from `.number`;
                    contacts of a deal are in `deal.contacts` as (number, role)
    stamp(record)   writes id, created, modified into the body, as this CRM shows them (called at every write)
    environment(url) the variables of a connection: base URL and credentials

    and where it differs from the default: `limits` (enforced when asked), `too_many`, `unknown`, `failure`, `user_delete`
    (a trash status rather than an end), `new_id`, `settings` (switches, read from `self.switches`), `editable` (which text
    field of which entity a fault may edit), `share`.

    Keep and find records with `self.store.get/select/count`, `self.new`, `self.edit`, `self.touch`, `self.remove`. `select`
    takes SQL over the columns seq, id, body, created, modified, deleted: `body ->> '$.email' = ?`, `modified >= ?`. An
    index that lags is `modified <= ?` with `self.clock.now() - lag`. Links in answers begin with `call.origin`, which is the
    mount's address. Say in the module's docstring what is UNVERIFIED and what was chosen where the sources are silent.

    A client that accepts only a host, no path before its own: serve that CRM alone (`start(dir, crms=["hubspot"])`); its
    paths then work without the mount too. Tests go to `tests/sandbox/test_<crm>.py`, line by line as the source says.
"""

from __future__ import annotations

from pipelines.sandbox.handle import SandboxError, SandboxHandle, find, start, use

__all__ = ["SandboxError", "SandboxHandle", "find", "start", "use"]

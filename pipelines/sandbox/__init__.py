"""CRMs emulated on loopback, so that everything can be tried and tested without an account anywhere.

One process serves all of them, each under its own name (`http://127.0.0.1:<port>/brivity/v1/contacts`). They share a
seeded world of one brokerage (`world`) and each holds its own overlapping, ageing, badly typed copy of it (`copies`).

    with start(data_dir, crms=["brivity"]) as sandbox:      # a child process; ends with its parent
        os.environ.update(sandbox.environment("brivity"))   # base URL and credentials of the connection
        sandbox.admin("POST", "brivity/faults", {"kind": "truncate", "count": 1})

    sandbox = app(None, ["brivity"], size=20)               # in this process, in memory: for property tests (`inside`)
    client = httpx.Client(transport=HttpxTransport(sandbox), base_url="http://sandbox/brivity/v1")
    crm = sandbox.crm("brivity")
    crm.edit(crm.store.select("contacts")[0], {"company": "Acme"})       # what a user of the CRM does meanwhile

`handle` has start, find and use; `server` has app; `admin` lists the endpoints under /_sandbox/; `faults` the faults.

How to add a CRM
    Write `crms/<crm>.py` with one class `Emulator(Crm)`, from the CRM's own documentation and never from our mapping.
    The registry finds it by its file name; nothing is registered anywhere else. `crms/brivity_core.py` is a short
    example. A large one is a package, as `crms/brivity/` is; what several CRMs use is a module with an underscore
    before its name (`crms/_odata.py`). The class says:

    name              as the file is named
    routes()          `[Route("GET", "/v2/contacts/{id}", self.read), ...]`, paths as they are below the mount;
                      `public=True` for the token endpoint; `{rest:path}` takes slashes. A handler takes a `Call` and
                      returns a `Response`, usually `answer(body, status, headers)`; it may raise `Refused(response)`,
                      which undoes what it wrote. Handlers run one after the other, and what they wrote is committed
                      before the answer is sent: they need no locks.
    authorize(call)   raises `Refused(...)` or sets `call.client`; `self.tokens.issue` and `.grant` are tokens that
                      expire by `self.clock` (the fault "expire" withdraws them)
    seed()            yields `Record(entity, id, body, created, modified, truth=...)` made from `self.copy.contacts()`,
                      `.deals()`, `.properties()`, `.users()`, the body exactly as the CRM sends it. Make ids from
                      `.number`; the contacts of a deal are `.contacts`, as (number of the contact, role)
    stamp(record)     writes id, created and modified into the body as this CRM shows them; called at every write
    environment(url)  the variables of a connection: base URL and credentials

    and where it differs from the default: `limits` (enforced when asked), `too_many`, `unknown`, `failure`, `finish`
    (headers on every answer), `user_delete` (a trash status rather than an end), `new_id`, `settings` (switches, read
    from `self.switches`), `editable` (which text field of which entity the faults edit), `share` (of the world's people
    it knows).

    Keep and find records with `self.store.get/select/count` and `self.new/edit/touch/remove`. `select` takes SQL over
    the columns seq, id, body, created, modified, deleted: `body ->> '$.email' = ?`, `modified >= ?`. An index that lags
    is `modified <= ?` with `self.clock.now() - lag`. Links in answers begin with `call.origin`, the mount's address.
    Say in the module's docstring what is UNVERIFIED, and what was chosen where the sources are silent.

    For a client that takes only a host and no path before its own, serve that CRM alone (`start(d, ["hubspot"])`): its
    paths then work without the mount, too. Tests are `tests/sandbox/test_<crm>.py`, line by line as the source says.
"""

from __future__ import annotations

from pipelines.sandbox.handle import SandboxError, SandboxHandle, find, start, use

__all__ = ["SandboxError", "SandboxHandle", "find", "start", "use"]

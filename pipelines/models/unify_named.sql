-- One row is one founded cluster and the id it would take: a letter and ten digits of base 36, made from its founder's key.
select
    cluster,
    since,
    founder,
    attempt,
    {{ plan.schema.singular[0] | literal }} || '_' || lower(to_base(
        (md5_number_lower(founder || case when attempt > 0 then '#' || attempt else '' end) % 3656158440062976)::bigint, 36, 10
    )) as golden_id,
from founded

-- One row is one distinct writing of a name or suffix, and the words in it that are the name.
with
writings as (
    select distinct writing
    from (
        select unnest([given_writing, family_writing, middle_name, nickname, suffix_writing]) as writing
        from identity_input
    )
    where writing is not null
),

latin as (
    select
        w.writing,
        regexp_replace(lower(strip_accents(coalesce(a.ascii, w.writing))), '[''’`´.]', '', 'g') as text
    from writings as w
    left join identity_ascii as a on a.value = w.writing
),

-- "John & Jane" is a household written as one person: the first of them stands for it.
words as (
    select
        writing,
        list_filter(
            string_split_regex(regexp_replace(text, '( and |&|\+|/| or ).*$', ''), '[^\p{L}\p{N}]+'),
            lambda word: word <> '' and not list_contains({{ honorifics | sql_list }}, word)
        ) as words
    from latin
    where not list_contains({{ no_names | sql_list }}, trim(text))
),

-- A generation is the last word only: "Sr" in front is an honorific.
told as (
    select
        writing,
        list_filter(words, lambda word: not list_contains({{ suffixes | sql_list }}, word)) as bare,
        map_extract_value({{ generations | sql_map }}, words[-1]) as generation
    from words
)

select
    writing,
    bare[1] as first_word,
    nullif(array_to_string(bare[2:], ''), '') as other_words,
    nullif(array_to_string(bare, ''), '') as joined,
    generation
from told

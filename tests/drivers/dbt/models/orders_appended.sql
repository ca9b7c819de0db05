{{ config(materialized='incremental') }}
select order_id, amount, placed_at from {{ ref('stg_orders') }}
{% if is_incremental() %}
where placed_at > (select max(placed_at) from {{ this }})
{% endif %}

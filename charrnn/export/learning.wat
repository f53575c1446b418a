;; Products of float32 matrices for learning in a page. A matrix has R rows and K columns; R is a
;; multiple of 4, K one of 16. T vectors follow each other in memory. Sizes of addresses are bytes.
(module
  (memory (import "page" "memory") 1)

  (func $sum (param $lanes v128) (result f32)
    (f32.add
      (f32.add (f32x4.extract_lane 0 (local.get $lanes)) (f32x4.extract_lane 1 (local.get $lanes)))
      (f32.add (f32x4.extract_lane 2 (local.get $lanes)) (f32x4.extract_lane 3 (local.get $lanes)))))

  (func $add_product (param $total v128) (param $weights i32) (param $inputs v128) (result v128)
    (f32x4.add (local.get $total) (f32x4.mul (v128.load (local.get $weights)) (local.get $inputs))))

  (func $add_to (param $address i32) (param $value f32)
    (f32.store (local.get $address) (f32.add (f32.load (local.get $address)) (local.get $value))))

  ;; sums_TR += inputs_TK x weights_RK, transposed
  (func (export "multiply")
    (param $weights i32) (param $inputs i32) (param $sums i32)
    (param $count i32) (param $rows i32) (param $columns i32)
    (local $row i32) (local $step i32) (local $width i32) (local $row_end i32) (local $w i32)
    (local $input i32) (local $sum i32) (local $lanes v128)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $width (i32.shl (local.get $columns) (i32.const 2)))
    (loop $next_rows
      (local.set $step (i32.const 0))
      (local.set $input (local.get $inputs))
      (local.set $sum (i32.add (local.get $sums) (i32.shl (local.get $row) (i32.const 2))))
      (local.set $row_end (i32.add (local.get $weights) (local.get $width)))
      (loop $next_step
        (local.set $a (v128.const i32x4 0 0 0 0))
        (local.set $b (local.get $a))
        (local.set $c (local.get $a))
        (local.set $d (local.get $a))
        (local.set $w (local.get $weights))
        (loop $next_columns
          (local.set $lanes (v128.load (local.get $input)))
          (local.set $a (call $add_product (local.get $a) (local.get $w) (local.get $lanes)))
          (local.set $b (call $add_product (local.get $b)
            (i32.add (local.get $w) (local.get $width)) (local.get $lanes)))
          (local.set $c (call $add_product (local.get $c)
            (i32.add (local.get $w) (i32.shl (local.get $width) (i32.const 1))) (local.get $lanes)))
          (local.set $d (call $add_product (local.get $d)
            (i32.add (local.get $w) (i32.mul (local.get $width) (i32.const 3))) (local.get $lanes)))
          (local.set $input (i32.add (local.get $input) (i32.const 16)))
          (local.set $w (i32.add (local.get $w) (i32.const 16)))
          (br_if $next_columns (i32.lt_u (local.get $w) (local.get $row_end))))
        (call $add_to (local.get $sum) (call $sum (local.get $a)))
        (call $add_to (i32.add (local.get $sum) (i32.const 4)) (call $sum (local.get $b)))
        (call $add_to (i32.add (local.get $sum) (i32.const 8)) (call $sum (local.get $c)))
        (call $add_to (i32.add (local.get $sum) (i32.const 12)) (call $sum (local.get $d)))
        (local.set $sum (i32.add (local.get $sum) (i32.shl (local.get $rows) (i32.const 2))))
        (local.set $step (i32.add (local.get $step) (i32.const 1)))
        (br_if $next_step (i32.lt_u (local.get $step) (local.get $count))))
      (local.set $weights (i32.add (local.get $weights) (i32.shl (local.get $width) (i32.const 2))))
      (local.set $row (i32.add (local.get $row) (i32.const 4)))
      (br_if $next_rows (i32.lt_u (local.get $row) (local.get $rows)))))

  ;; sums_TK += inputs_TR x weights_RK
  (func (export "multiply_transposed")
    (param $weights i32) (param $inputs i32) (param $sums i32)
    (param $count i32) (param $rows i32) (param $columns i32)
    (local $row i32) (local $step i32) (local $width i32) (local $row_end i32) (local $w i32)
    (local $input i32) (local $sum i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $width (i32.shl (local.get $columns) (i32.const 2)))
    (loop $next_rows
      (local.set $step (i32.const 0))
      (local.set $input (i32.add (local.get $inputs) (i32.shl (local.get $row) (i32.const 2))))
      (local.set $sum (local.get $sums))
      (local.set $row_end (i32.add (local.get $weights) (local.get $width)))
      (loop $next_step
        (local.set $a (v128.load32_splat (local.get $input)))
        (local.set $b (v128.load32_splat offset=4 (local.get $input)))
        (local.set $c (v128.load32_splat offset=8 (local.get $input)))
        (local.set $d (v128.load32_splat offset=12 (local.get $input)))
        (local.set $w (local.get $weights))
        (loop $next_columns
          (v128.store (local.get $sum)
            (call $add_product
              (call $add_product
                (call $add_product
                  (call $add_product (v128.load (local.get $sum)) (local.get $w) (local.get $a))
                  (i32.add (local.get $w) (local.get $width)) (local.get $b))
                (i32.add (local.get $w) (i32.shl (local.get $width) (i32.const 1))) (local.get $c))
              (i32.add (local.get $w) (i32.mul (local.get $width) (i32.const 3))) (local.get $d)))
          (local.set $sum (i32.add (local.get $sum) (i32.const 16)))
          (local.set $w (i32.add (local.get $w) (i32.const 16)))
          (br_if $next_columns (i32.lt_u (local.get $w) (local.get $row_end))))
        (local.set $input (i32.add (local.get $input) (i32.shl (local.get $rows) (i32.const 2))))
        (local.set $step (i32.add (local.get $step) (i32.const 1)))
        (br_if $next_step (i32.lt_u (local.get $step) (local.get $count))))
      (local.set $weights (i32.add (local.get $weights) (i32.shl (local.get $width) (i32.const 2))))
      (local.set $row (i32.add (local.get $row) (i32.const 4)))
      (br_if $next_rows (i32.lt_u (local.get $row) (local.get $rows)))))

  ;; weights_RK += row_factors_R * column_factors_K * (transposed gradients_TR x inputs_TK)
  (func (export "update")
    (param $weights i32) (param $gradients i32) (param $inputs i32) (param $row_factors i32)
    (param $column_factors i32) (param $count i32) (param $rows i32) (param $columns i32)
    (local $row i32) (local $column i32) (local $step i32) (local $gradient i32) (local $input i32)
    (local $factor v128) (local $lanes v128)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (loop $next_row
      (local.set $column (i32.const 0))
      (loop $next_columns
        (local.set $a (v128.const i32x4 0 0 0 0))
        (local.set $b (local.get $a))
        (local.set $c (local.get $a))
        (local.set $d (local.get $a))
        (local.set $step (i32.const 0))
        (local.set $gradient (i32.add (local.get $gradients) (i32.shl (local.get $row) (i32.const 2))))
        (local.set $input (i32.add (local.get $inputs) (i32.shl (local.get $column) (i32.const 2))))
        (loop $next_step
          (local.set $lanes (v128.load32_splat (local.get $gradient)))
          (local.set $a (call $add_product (local.get $a) (local.get $input) (local.get $lanes)))
          (local.set $b (call $add_product (local.get $b)
            (i32.add (local.get $input) (i32.const 16)) (local.get $lanes)))
          (local.set $c (call $add_product (local.get $c)
            (i32.add (local.get $input) (i32.const 32)) (local.get $lanes)))
          (local.set $d (call $add_product (local.get $d)
            (i32.add (local.get $input) (i32.const 48)) (local.get $lanes)))
          (local.set $gradient (i32.add (local.get $gradient) (i32.shl (local.get $rows) (i32.const 2))))
          (local.set $input (i32.add (local.get $input) (i32.shl (local.get $columns) (i32.const 2))))
          (local.set $step (i32.add (local.get $step) (i32.const 1)))
          (br_if $next_step (i32.lt_u (local.get $step) (local.get $count))))
        (local.set $factor (v128.load32_splat
          (i32.add (local.get $row_factors) (i32.shl (local.get $row) (i32.const 2)))))
        (local.set $input (i32.add (local.get $column_factors) (i32.shl (local.get $column) (i32.const 2))))
        (v128.store (local.get $weights) (call $add_product (v128.load (local.get $weights))
          (local.get $input) (f32x4.mul (local.get $factor) (local.get $a))))
        (v128.store offset=16 (local.get $weights) (call $add_product
          (v128.load offset=16 (local.get $weights))
          (i32.add (local.get $input) (i32.const 16)) (f32x4.mul (local.get $factor) (local.get $b))))
        (v128.store offset=32 (local.get $weights) (call $add_product
          (v128.load offset=32 (local.get $weights))
          (i32.add (local.get $input) (i32.const 32)) (f32x4.mul (local.get $factor) (local.get $c))))
        (v128.store offset=48 (local.get $weights) (call $add_product
          (v128.load offset=48 (local.get $weights))
          (i32.add (local.get $input) (i32.const 48)) (f32x4.mul (local.get $factor) (local.get $d))))
        (local.set $weights (i32.add (local.get $weights) (i32.const 64)))
        (local.set $column (i32.add (local.get $column) (i32.const 16)))
        (br_if $next_columns (i32.lt_u (local.get $column) (local.get $columns))))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br_if $next_row (i32.lt_u (local.get $row) (local.get $rows)))))

  ;; weights_RK += (trained_RK - weights_RK) * min(1, row_factors_R * column_factors_K)
  (func (export "pull_back")
    (param $weights i32) (param $trained i32) (param $row_factors i32) (param $column_factors i32)
    (param $rows i32) (param $columns i32)
    (local $row i32) (local $column i32) (local $factor v128) (local $old v128)
    (loop $next_row
      (local.set $column (i32.const 0))
      (local.set $factor (v128.load32_splat
        (i32.add (local.get $row_factors) (i32.shl (local.get $row) (i32.const 2)))))
      (loop $next_columns
        (local.set $old (v128.load (local.get $weights)))
        (v128.store (local.get $weights) (f32x4.add (local.get $old)
          (f32x4.mul (f32x4.sub (v128.load (local.get $trained)) (local.get $old))
            (f32x4.min (f32x4.splat (f32.const 1)) (f32x4.mul (local.get $factor) (v128.load
              (i32.add (local.get $column_factors) (i32.shl (local.get $column) (i32.const 2)))))))))
        (local.set $weights (i32.add (local.get $weights) (i32.const 16)))
        (local.set $trained (i32.add (local.get $trained) (i32.const 16)))
        (local.set $column (i32.add (local.get $column) (i32.const 4)))
        (br_if $next_columns (i32.lt_u (local.get $column) (local.get $columns))))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br_if $next_row (i32.lt_u (local.get $row) (local.get $rows))))))
